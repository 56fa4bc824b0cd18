#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_degrade
short_description: Let a PostgreSQL primary acknowledge commits alone, as a recorded decision, and take it back
version_added: 0.1.0
description:
  - With its last synchronous candidate lost, a primary holds every commit, which is right. O(state=degraded) is the decision to go on
    without a copy. On the primary it writes who and why into C(public.degraded), without which no lease is written there, and then empties
    C(synchronous_standby_names) in a file of its own, C(conf.d/92-degraded.conf). Refused while a candidate streams.
  - On any other member it leaves a mark, because the proof of a promotion is gone from then on. M(hft.ops.pg_promote) takes a marked
    member as one that may lack acknowledged commits.
  - O(state=held) is the way back. On the primary it waits for a candidate that streams, then commits wait again, and the record is closed
    by a commit that waited. On a standby it removes the mark once WAL arrives.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
options:
  state:
    description: Whether the primary acknowledges alone.
    type: str
    choices: [held, degraded]
    required: true
  system_identifier:
    description: Identifier of the system, as M(hft.ops.pg_replication_info) tells it. Another one is refused.
    type: str
    required: true
  who:
    description: Who decided.
    type: str
    required: true
  reason:
    description: Why; needed with O(state=degraded).
    type: str
    default: ""
  database:
    description: Database with the leases.
    type: str
    default: hft_db
  wait_s:
    description: Seconds to wait for a candidate to stream.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Go on without a copy
  hft.ops.pg_degrade:
    state: degraded
    system_identifier: "7412345678901234567"
    who: alice
    reason: both candidates lost with their rack, INC-4711
"""

RETURN = r"""
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    ABSENT,
    CLUSTER_ARGUMENTS,
    PRIMARY,
    STANDBY,
    SUPERUSER,
    TIMELINE,
    Cluster,
    first_line,
    psycopg2,
    refuse_another_system,
    rows,
    settings_of,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_degraded import mark_file
from ansible_collections.hft.ops.plugins.module_utils._postgres_synchronous import parse

_NAMES = "synchronous_standby_names"
# Nobody is there who could acknowledge it.
_ALONE = "SET synchronous_commit = local"
_BEGIN = f"INSERT INTO public.degraded (who, reason, timeline) SELECT %s, %s, {TIMELINE}"
_END = "UPDATE public.degraded SET ended_at = now(), ended_by = %s WHERE ended_at IS NULL"
_SETTLE_S = 10


class Decision:
    """One member and what was decided."""

    def __init__(self, module: AnsibleModule) -> None:
        self.given = module.params
        self.run_command = module.run_command
        self.host = Host()
        self.cluster = Cluster(self.host, self.given["version"], self.given["cluster"], self.given["port"])
        self.file = self.host.owned_file(f"{self.cluster.config_directory}/conf.d/92-degraded.conf")
        self.mark = self.host.owned_file(mark_file(self.cluster))
        told = f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())} by {self.given['who']}: {self.given['reason']}"
        self.told = " ".join(told.split())

    def plan(self, plan: Plan) -> None:
        degrade = self.given["state"] == "degraded"
        if degrade and not self.given["reason"].strip():
            raise HostError("reason: is empty; say why this primary is to acknowledge without a copy, it is kept")
        state = self.cluster.state()
        if state == ABSENT:
            return  # nothing that could be promoted
        self._refuse_another_system(state)
        if state == PRIMARY:
            (self._degrade if degrade else self._hold)(plan)
        elif degrade:
            if self.mark.before is None:
                plan.file(self.mark, f"The primary acknowledges alone since {self.told}\n", 0o644, SUPERUSER, SUPERUSER)
        else:
            self._forget(plan, state)

    def _refuse_another_system(self, state: str) -> None:
        own = self.cluster.control_data(self.run_command).get("Database system identifier", "")
        refuse_another_system(f"{self.cluster.unit} ({state})", own, self.given["system_identifier"])

    def _degrade(self, plan: Plan) -> None:
        names, streaming = self.look()
        if not names and self.file.before is not None:
            return
        at = set(parse(names).names) & streaming
        if at:
            raise HostError(f"{self.cluster.unit}: {', '.join(sorted(at))} streams and acknowledges commits; nothing waits, nothing to "
                            "degrade")
        if not names:
            raise HostError(f"{self.cluster.unit}: {_NAMES} is empty already and not by this module; put the set into force first")
        content = f"# Degraded since {self.told}\n# Way back: the playbook database_degrade with database_degrade=end.\n{_NAMES} = ''\n"
        plan.change(Difference("persisted", f"{self.given['database']}: degraded", None, self.told), write=self._begin_record,
                    undo=self._end_record)
        plan.file(self.file, content, 0o644, SUPERUSER, SUPERUSER)
        plan.follow_up(lambda: self.reload("" if self.file_stands() else names))

    def _hold(self, plan: Plan) -> None:
        names, _streaming = self.look()
        if self.mark.before is not None:
            plan.file(self.mark, None)
        if self.file.before is None:
            return
        # Its own file alone empties the set, so what stands in the others comes back.
        wanted = self.configured()
        if not plan.check_mode:
            self._wait_for(wanted)
        plan.file(self.file, None)
        plan.change(Difference("live", _NAMES, names, wanted), write=lambda: self.reload(wanted))
        plan.change(Difference("persisted", f"{self.given['database']}: degraded", "open", f"ended by {self.given['who']}"),
                    write=self._end_record)

    def _forget(self, plan: Plan, state: str) -> None:
        if self.mark.before is None and self.file.before is None:
            return
        if state != STANDBY or not self._receives():
            raise HostError(f"{self.cluster.unit}: is {state} and receives no WAL, so it may still lack what the primary acknowledged "
                            "alone; bring it back first (playbook database_rejoin)")
        for file in (self.mark, self.file):
            if file.before is not None:
                plan.file(file, None)

    def look(self) -> tuple[str, set[str]]:
        """The set in force, and who streams."""
        with self.cluster.session() as cursor:
            streaming = {row["name"] for row in rows(cursor, "SELECT application_name AS name FROM pg_stat_replication"
                                                             " WHERE state = 'streaming'")}
            return settings_of(cursor, _NAMES)[_NAMES], streaming

    def configured(self) -> str:
        """The last value of the set in any file but our own."""
        with self.cluster.session() as cursor:
            found = rows(cursor, "SELECT setting FROM pg_file_settings WHERE name = %s AND sourcefile <> %s ORDER BY seqno DESC LIMIT 1",
                         (_NAMES, self.file.path))
        if not found or not found[0]["setting"]:
            raise HostError(f"{_NAMES}: no file of this server names a set; run the entry point synchronous of role timescaledb")
        return found[0]["setting"]

    def _wait_for(self, wanted: str) -> None:
        deadline = time.monotonic() + self.given["wait_s"]
        candidates = set(parse(wanted).names)
        while not candidates & self.look()[1]:
            if time.monotonic() > deadline:
                raise HostError(f"{self.cluster.unit}: none of {', '.join(sorted(candidates))} streams after {self.given['wait_s']} s; "
                                "commits would wait for nobody: bring one back first (playbook database_rejoin)")
            time.sleep(0.2)

    def _receives(self) -> bool:
        with self.cluster.session() as cursor:
            return bool(rows(cursor, "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"))

    def file_stands(self) -> bool:
        return self.host.path(self.file.path).exists()

    def reload(self, wanted: str) -> None:
        deadline = time.monotonic() + _SETTLE_S
        with self.cluster.session() as cursor:
            cursor.execute("SELECT pg_reload_conf()")
        while self.look()[0] != wanted:
            if time.monotonic() > deadline:
                raise HostError(f"{_NAMES}: is not {wanted!r} {_SETTLE_S} s after a reload; see pg_file_settings for what hides it")
            time.sleep(0.05)

    def _begin_record(self) -> None:
        with self.cluster.session(self.given["database"]) as cursor:
            if not rows(cursor, "SELECT 1 WHERE to_regclass('public.degraded') IS NOT NULL"):
                raise HostError(f"database {self.given['database']}: has no table public.degraded; migrate the schema first (role "
                                "db_migrate)")
            cursor.execute(_ALONE)
            cursor.execute(_BEGIN, (self.given["who"], self.given["reason"]))

    def _end_record(self) -> None:
        with self.cluster.session(self.given["database"]) as cursor:
            cursor.execute(_END, (self.given["who"],))


def main() -> None:
    arguments: dict[str, Any] = {
        "state": {"type": "str", "choices": ["held", "degraded"], "required": True},
        "system_identifier": {"type": "str", "required": True},
        "who": {"type": "str", "required": True},
        "reason": {"type": "str", "default": ""},
        "database": {"type": "str", "default": "hft_db"},
        "wait_s": {"type": "int", "default": 60},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    plan = Plan(module.check_mode)
    try:
        decision = Decision(module)
        decision.cluster.refuse_to_disturb_patroni()
        decision.plan(plan)
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    except psycopg2.Error as why:
        module.fail_json(msg=first_line(why), **plan.failure())
    module.exit_json(**plan.result())


if __name__ == "__main__":
    main()
