#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_promote
short_description: Make a PostgreSQL standby the primary, and prove first that it has every acknowledged commit
version_added: 0.1.0
description:
  - The proof of an unplanned promotion is a cut. O(step=detach) on the synchronous standbys ends their streams for good; when
    N-k+1 of the N in the set are cut off, every commit that was ever acknowledged is on one of them, and the old primary can
    acknowledge none any more, whether it lives or not. O(step=promote) then takes the answers of all of them, refuses unless
    they are enough and this one has flushed the most, and promotes.
  - The proof of a planned one is the last record of the log. With O(after=clean_shutdown) the standby waits until its
    primary has shut down and the shutdown checkpoint, the last thing a primary writes, has arrived; then it promotes at once.
    A giver that came back as a standby before anybody looked counts as shut down too. When none comes within O(wait_s), nothing is
    promoted.
  - O(step=prepare) writes what has gathered in the standby's memory, so that the promotion has little left to write. On a primary it
    is the checkpoint after a promotion, by which the control file learns of the new timeline; no backup begins before.
  - Where the proof cannot be had, O(accept_loss) promotes all the same. The server then comes up without a network address,
    all leases are vacated and 2^20 is added to each epoch, and only then it accepts connections again.
  - A primary that was degraded (M(hft.ops.pg_degrade)) acknowledged alone. No cut proves anything then, and it is a loss to be accepted.
  - A primary stays as it is, and nothing is reported as changed.
options:
  step:
    description: What to do.
    type: str
    choices: [prepare, detach, promote]
    required: true
  system_identifier:
    description: Identifier of the system, as M(hft.ops.pg_replication_info) tells it. Another one is refused.
    type: str
    required: true
  name:
    description: Name of this standby in C(synchronous_standby_names).
    type: str
    required: true
  former_primary:
    description: Name of the primary that is left; it does not count as a standby of itself.
    type: str
    required: true
  after:
    description: What proves that no acknowledged commit is missing.
    type: str
    choices: [detach, clean_shutdown]
    default: detach
  detached:
    description: With O(after=detach), what O(step=detach) answered on each member that could be reached.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the member.
        type: str
        required: true
      timeline:
        description: Its timeline.
        type: int
        required: true
      flushed_lsn:
        description: The end of what it has flushed.
        type: str
        required: true
  accept_loss:
    description: Promote without a proof. What may be lost is told in RV(loss).
    type: bool
    default: false
  slots:
    description:
      - Physical slots of those that are to follow this server, made where they are missing, with O(step=promote) before the promotion.
      - With O(step=detach) none is made; a standby that is not promoted in the end would keep the log for slots that nobody uses.
    type: list
    elements: str
    default: []
  database:
    description: Database with the leases.
    type: str
    default: hft_db
  wait_s:
    description: Seconds to wait for the clean shutdown, and for the end of the stream.
    type: int
    default: 60
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Cut the standby off
  hft.ops.pg_promote:
    step: detach
    system_identifier: "7412345678901234567"
    name: hft-prod-01
    former_primary: hft-db-01
  register: cut

- name: Promote it
  hft.ops.pg_promote:
    step: promote
    system_identifier: "7412345678901234567"
    name: hft-prod-01
    former_primary: hft-db-01
    detached:
      - {name: hft-prod-01, timeline: 1, flushed_lsn: 0/5000148}
      - {name: hft-prod-02, timeline: 1, flushed_lsn: 0/5000060}
    slots: [hft_prod_02]
"""

RETURN = r"""
name:
  description: As given.
  returned: always
  type: str
timeline:
  description: Timeline of what is flushed; after the promotion the new one.
  returned: always
  type: int
flushed_lsn:
  description: End of what this member has flushed.
  returned: always
  type: str
heard_ago_s:
  description: Seconds since the last commit that came from the primary; -1 when there was none.
  returned: always
  type: float
took_ms:
  description: Milliseconds from the proof to the first moment at which the server took writes.
  returned: after a promotion
  type: float
promoted_at:
  description: That moment, seconds since the epoch by this host's clock.
  returned: after a promotion
  type: float
loss:
  description: Empty with a proof. Otherwise what may be lost.
  returned: after a promotion
  type: dict
  contains:
    reason:
      description: Why there is no proof.
      type: str
    seconds:
      description: Commits of up to so many seconds; from the last one that arrived to the promotion. -1 when none did since the start.
      type: float
    orders:
      description: Orders that were written in a time as long as that before, for an idea of how many.
      type: int
    vacated:
      description: Strategies whose lease was taken away.
      type: list
      elements: str
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import contextlib
import math
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    CLUSTER_ARGUMENTS,
    PRIMARY,
    STANDBY,
    TIMELINE,
    Cluster,
    first_line,
    psycopg2,
    refuse_another_system,
    rows,
    settings_of,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_degraded import degraded
from ansible_collections.hft.ops.plugins.module_utils._postgres_leases import vacate
from ansible_collections.hft.ops.plugins.module_utils._postgres_slots import missing_slots, slots_found
from ansible_collections.hft.ops.plugins.module_utils._postgres_synchronous import SynchronousSet, lsn, parse
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import is_standby, settings_in
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

# Received is flushed; after a restart without a stream only what was replayed is known.
_STANDING = """
SELECT system_identifier::text AS system_identifier, current_setting('synchronous_standby_names') AS synchronous,
       current_setting('listen_addresses') AS listen_addresses,
       CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            ELSE pg_current_wal_flush_lsn() END::text AS flushed_lsn,
       @timeline@ AS timeline,
       coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), -1)::float8 AS heard_ago_s
FROM pg_control_system()
""".replace("@timeline@", TIMELINE)
# A look for the last record begins a page before what was replayed: the record of a shutdown takes 120 bytes, and it may part at a page.
# It begins in the same segment first, for the end of the one before may be empty: a primary that archives begins a new one for that record.
# It never begins before the restartpoint, since the log from there on is still here. From further back it took minutes under load.
_STREAM = """
SELECT replayed::text, replayed >= coalesce(pg_last_wal_receive_lsn(), '0/0') AS replayed_all,
       ARRAY[greatest(redo_lsn, replayed - 8192, '0/0'::pg_lsn + div(replayed - 1 - '0/0'::pg_lsn, segment) * segment)::text,
             greatest(redo_lsn, replayed - 8192)::text] AS look_from,
       EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming') AS streaming,
       current_setting('primary_conninfo') AS conninfo
FROM (SELECT pg_last_wal_replay_lsn() AS replayed, pg_size_bytes(current_setting('wal_segment_size'))::numeric AS segment) here,
     pg_control_checkpoint()
"""
_POLL_S = 0.01
# Between two looks while the stream is up; each starts pg_waldump.
_LOOK_AGAIN_S = 0.25


class Member:
    """One member of the cluster, on its own host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.given = module.params
        self.run_command = module.run_command
        self.host = Host()
        self.cluster = Cluster(self.host, self.given["version"], self.given["cluster"], self.given["port"])
        self.unit = self.cluster.unit
        self.outcome: dict[str, Any] = {"name": self.given["name"], "timeline": 0, "flushed_lsn": "0/0", "heard_ago_s": -1.0}
        self.stood_at = 0.0

    def stand(self) -> dict[str, Any]:
        self.stood_at = time.monotonic()
        with self.cluster.session() as cursor:
            found = rows(cursor, _STANDING)[0]
        self.outcome.update({key: found[key] for key in ("timeline", "flushed_lsn", "heard_ago_s")})
        refuse_another_system(self.unit, found["system_identifier"], self.given["system_identifier"])
        return found

    def shut(self) -> bool:
        """Whether a run that accepted a loss broke off behind the closed door; the next one finishes it."""
        return settings_in(self.host.read(f"{self.cluster.data_directory}/postgresql.auto.conf") or "").get("listen_addresses") == ""

    # -- prepare and promote

    def missing_slots(self) -> list[tuple[str, Difference]]:
        if not self.given["slots"]:
            return []
        with self.cluster.session() as cursor:
            return missing_slots(self.given["slots"], slots_found(cursor))

    def execute(self, sql: str) -> None:
        with self.cluster.session() as cursor:
            cursor.execute(sql)

    def restartpoint(self) -> None:
        """Leaves the promotion little to write; a primary is done with its own."""
        self.execute("CHECKPOINT")

    # -- detach

    def conninfo(self) -> str:
        with self.cluster.session() as cursor:
            return settings_of(cursor, "primary_conninfo")["primary_conninfo"]

    def detach(self) -> None:
        self.cluster.alter_system({"primary_conninfo": ""})
        deadline = time.monotonic() + self.given["wait_s"]
        with self.cluster.session() as cursor:
            while rows(cursor, "SELECT 1 FROM pg_stat_wal_receiver"):
                if time.monotonic() > deadline:
                    raise HostError(f"{self.unit}: the stream from the primary did not end within {self.given['wait_s']} s; "
                                    "stop this standby to cut it off")
                time.sleep(_POLL_S)

    # -- promote

    def missing_proof(self, found: dict[str, Any]) -> str:
        """Why this standby may lack acknowledged commits; raises when another one is to be promoted."""
        answers = {one["name"]: one for one in self.given["detached"]}
        own = answers.get(self.given["name"])
        if own is None:
            raise HostError(f"detached: {self.given['name']} itself is missing; run step detach on it and give its answer too")
        best = max(answers.values(), key=lambda one: (one["timeline"], lsn(one["flushed_lsn"])))
        if (own["timeline"], lsn(own["flushed_lsn"])) < (best["timeline"], lsn(best["flushed_lsn"])):
            raise HostError(f"{self.given['name']}: has flushed up to {own['flushed_lsn']} on timeline {own['timeline']}, {best['name']} "
                            f"up to {best['flushed_lsn']} on {best['timeline']}; promote {best['name']}")
        return self.synchronous(found).lacking(answers)

    def synchronous(self, found: dict[str, Any]) -> SynchronousSet:
        return parse(found["synchronous"]).without(self.given["former_primary"])

    def alone(self) -> str:
        """Why no cut proves anything: the primary acknowledged without anybody."""
        return degraded(self.cluster, self.given["database"])

    def await_clean_shutdown(self) -> None:
        """Return when the primary has shut down and its last record is here."""
        deadline = time.monotonic() + self.given["wait_s"]
        looked = 0.0
        with self.cluster.session() as cursor:
            while True:
                now, stream = time.monotonic(), rows(cursor, _STREAM)[0]
                # A giver that is a standby already streams too, so a stream alone speaks for nothing.
                if stream["replayed_all"] and (not stream["streaming"] or now > looked + _LOOK_AGAIN_S):
                    looked = now
                    if (self.last_record(stream["look_from"]) == "CHECKPOINT_SHUTDOWN"
                            and (not stream["streaming"] or is_standby(stream["conninfo"]))):
                        return
                if now > deadline:
                    stands = "up" if stream["streaming"] else "down"
                    raise HostError(f"{self.unit}: the primary did not shut down cleanly within {self.given['wait_s']} s (stream {stands}, "
                                    f"replayed {stream['replayed']}); nothing was promoted")
                time.sleep(_POLL_S)

    def last_record(self, starts: list[str]) -> str:
        """Kind of the last record after the first position that has any, where it is the log's own (XLOG); empty for any other."""
        found = (self.cluster.wal_records(self.run_command, self.outcome["timeline"], start) for start in dict.fromkeys(starts))
        return last_kind(next(filter(None, found), []))

    def promote(self) -> None:
        begin = time.monotonic()
        with self.cluster.session() as cursor:
            cursor.execute("SELECT pg_promote(false)")
            while rows(cursor, "SELECT pg_is_in_recovery() AS it")[0]["it"]:
                if time.monotonic() > begin + self.given["wait_s"]:
                    raise HostError(f"{self.unit}: is not promoted after {self.given['wait_s']} s; read its log")
                time.sleep(_POLL_S / 5)
            self.outcome.update(took_ms=round((time.monotonic() - begin) * 1000, 1), promoted_at=time.time(), loss={})
            self.outcome["timeline"] = rows(cursor, f"SELECT {TIMELINE} AS it")[0]["it"]

    def promote_with_loss(self, why: str, heard_ago_s: float) -> None:
        """Behind a closed door, until nobody holds a lease any more."""
        self.restart("listen_addresses", "")
        if self.cluster.state() == STANDBY:
            self.promote()
        # Whoever lives on behind a line that is down commits until then, and longer.
        if heard_ago_s >= 0:
            heard_ago_s = math.ceil((heard_ago_s + time.monotonic() - self.stood_at) * 10) / 10
        vacated = vacate(self.cluster, self.given["database"])
        self.outcome["loss"] = {"reason": why, "seconds": heard_ago_s, "orders": self.orders_within(heard_ago_s),
                                "vacated": vacated}
        self.restart("listen_addresses", None)

    def restart(self, setting: str, value: str | None) -> None:
        self.cluster.alter_system({setting: value}, reload=False)
        Systemctl(self.run_command).do("restart", [self.unit])
        self.cluster.wait_until_answering(self.given["wait_s"])

    def orders_within(self, seconds: float) -> int:
        """Orders of the last so many seconds that are here; -1 where that cannot be known."""
        with contextlib.suppress(psycopg2.Error), self.cluster.session(self.given["database"]) as cursor:
            return int(rows(cursor, "SELECT count(*) AS n FROM public.orders, (SELECT max(time) AS last FROM public.orders) l "
                                    "WHERE time > l.last - make_interval(secs => %s)", (max(seconds, 0.0),))[0]["n"])
        return -1


def last_kind(records: list[str]) -> str:
    """What the last record is, when its resource manager is XLOG."""
    if not records or not records[-1].startswith("rmgr: XLOG"):
        return ""
    words = records[-1].partition("desc: ")[2].split()
    return words[0] if words else ""


def main() -> None:
    answer = {"name": {"type": "str", "required": True}, "timeline": {"type": "int", "required": True},
              "flushed_lsn": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["prepare", "detach", "promote"], "required": True},
            "system_identifier": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "former_primary": {"type": "str", "required": True},
            "after": {"type": "str", "choices": ["detach", "clean_shutdown"], "default": "detach"},
            "detached": {"type": "list", "elements": "dict", "default": [], "options": answer},
            "accept_loss": {"type": "bool", "default": False},
            "slots": {"type": "list", "elements": "str", "default": []},
            "database": {"type": "str", "default": "hft_db"},
            "wait_s": {"type": "int", "default": 60},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    member = Member(module)
    plan = Plan(module.check_mode)
    try:
        member.cluster.refuse_to_disturb_patroni()
        _plan(member, plan)
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **member.outcome, **plan.failure())
    except psycopg2.Error as why:
        module.fail_json(msg=f"{member.unit}: {first_line(why)}", **member.outcome, **plan.failure())
    module.exit_json(**member.outcome, **plan.result())


def _plan(member: Member, plan: Plan) -> None:
    given, unit = member.given, member.unit
    state = member.cluster.state()
    if state not in (PRIMARY, STANDBY):
        raise HostError(f"{unit}: is {state}, and only a running standby can be asked; start it, or leave it out")
    found = member.stand()
    leads = state == PRIMARY and not member.shut()
    if given["step"] == "detach":
        if leads:
            raise HostError(f"{unit}: is a primary already and follows nobody; leave it out")
        _plan_detach(member, plan)
        return
    if given["step"] == "promote" and not leads:
        _plan_promote(member, plan, found)
    else:
        _plan_slots(member, plan)
    if given["step"] == "prepare" and not plan.check_mode:
        member.restartpoint()


def _plan_slots(member: Member, plan: Plan) -> None:
    for sql, difference in member.missing_slots():
        plan.change(difference, write=lambda sql=sql: member.execute(sql))


def _plan_detach(member: Member, plan: Plan) -> None:
    former = member.conninfo()
    if former:
        plan.change(Difference("live", "primary_conninfo", former, ""), write=member.detach,
                    undo=lambda: member.cluster.alter_system({"primary_conninfo": former}))
        plan.follow_up(member.stand)


def _plan_promote(member: Member, plan: Plan, found: dict[str, Any]) -> None:
    given = member.given
    lacking = "" if given["after"] == "clean_shutdown" else member.missing_proof(found) or member.alone()
    if lacking and not given["accept_loss"]:
        since = found["heard_ago_s"]
        lost = f"up to {since:.0f} s of commits" if since >= 0 else "commits, of how long nobody knows: none arrived since it was started"
        raise HostError(f"{given['name']}: may lack acknowledged commits ({lacking}); bring the missing ones back and detach them, or "
                        f"accept the loss of {lost} (accept_loss); nothing was promoted")
    if given["after"] == "clean_shutdown" and not plan.check_mode:
        member.await_clean_shutdown()
    # Before it is a primary: what it writes then may let the log go that those who come back need, from where the timelines part.
    _plan_slots(member, plan)
    promoting = Difference("live", member.unit, "standby", "primary")
    if lacking or member.shut():
        why = lacking or "an earlier run accepted a loss and broke off"
        plan.change(promoting, write=lambda: member.promote_with_loss(why, found["heard_ago_s"]))
    else:
        plan.change(promoting, write=member.promote)


if __name__ == "__main__":
    main()
