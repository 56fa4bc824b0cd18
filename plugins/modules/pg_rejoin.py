#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_rejoin
short_description: Bring an outdated PostgreSQL primary back as a standby of the one that took its place
version_added: 0.1.0
description:
  - Stops the outdated server if it runs, winds its data back to where the timelines parted (C(pg_rewind)), and starts it as a
    standby. Commits that it has and the new primary has not are discarded. None of them was ever acknowledged when the promotion was a
    proven one.
  - Before that they are counted in its own log, in RV(discarded), and the rows that they wrote are kept on this host. Rows are kept where
    the server still runs, as it does after its host came back; one that was stopped is counted alone.
  - Takes a new base backup only when C(pg_rewind) cannot, and only if O(base_backup) allows it.
  - Refuses unless O(primary_host) is a primary of the same system on a higher timeline; so the acting primary is never wound back.
  - A standby that follows the right server already stays as it is. Check mode asks and refuses alike.
options:
  system_identifier:
    description: Identifier of the system, as M(hft.ops.pg_replication_info) tells it. Another one is refused.
    type: str
    required: true
  database:
    description: Database whose tables are counted.
    type: str
    default: hft_db
  base_backup:
    description: V(if_needed) takes one when the data cannot be wound back; V(never) fails then and leaves the server stopped.
    type: str
    choices: [if_needed, never]
    default: if_needed
  timeout_s:
    description: Seconds to wait for the server to answer as a standby.
    type: int
    default: 120
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_upstream, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Let the host that died follow the new primary
  hft.ops.pg_rejoin:
    system_identifier: "7412345678901234567"
    primary_host: hft-prod-01
    user: hft_replication
    password: "{{ replication_password }}"
    slot: hft_db_01
    application_name: hft-db-01
"""

RETURN = r"""
action:
  description:
    - V(none); V(follow) when nothing had to be wound back; V(rewind); V(base_backup).
    - In check mode V(rewind) stands for the first of them that fits.
  returned: always
  type: str
discarded:
  description: Commits of this host after the timelines parted, which are gone now. Empty where the log does not tell.
  returned: when it did not follow the right server yet
  type: dict
  contains:
    parted_at:
      description: Where the timelines parted, as 0/3000148.
      type: str
    commits:
      description: How many there are in the log, those of the server's own upkeep too.
      type: int
    transactions:
      description: How many of them wrote to a table of O(database).
      type: int
    later:
      description: How many of these were committed after the new primary was promoted, by a server that came back alone.
      type: int
    rows:
      description: New rows by table. What nobody knows the table of stands under V(unknown).
      type: dict
    changed:
      description: Rows that were changed or deleted, by table; one that was changed twice counts twice.
      type: dict
    seconds:
      description:
        - From the last commit that the new primary has to the last lost one before it was promoted.
        - -1 where the log has no commit that it has.
      type: float
    kept_until:
      description: Time of the last commit that the new primary has.
      type: str
    lost_until:
      description: Time of the last lost one before it was promoted; empty where there is none.
      type: str
    kept:
      description: File on this host with this statement and the rows, a line each, in JSON, compressed by gzip. Not in check mode.
      type: str
    kept_rows:
      description: How many rows are in it, new and changed ones as they stood in the end.
      type: int
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    ABSENT,
    CLUSTER_ARGUMENTS,
    FRESH,
    PRIMARY,
    STANDBY,
    STOPPED,
    STREAMS,
    SUPERUSER,
    Cluster,
    as_superuser,
    first_line,
    psycopg2,
    refuse_another_system,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_discarded import Discarded, Log, told
from ansible_collections.hft.ops.plugins.module_utils._postgres_following import UPSTREAM_ARGUMENTS, Following, reason, upstream_of
from ansible_collections.hft.ops.plugins.module_utils._postgres_log_kept import log_kept
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Identity, quoted
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


class Outdated:
    """The local cluster, which was the primary once."""

    def __init__(self, module: AnsibleModule) -> None:
        self.given = module.params
        self.run_command = module.run_command
        self.systemctl = Systemctl(module.run_command)
        self.cluster = Cluster(Host(), self.given["version"], self.given["cluster"], self.given["port"])
        self.following = Following(self.cluster, upstream_of(self.given), self.given["slot"])
        self.discarded: Discarded | None = None
        self.outcome: dict[str, Any] = {"action": "none"}

    def follows(self) -> bool:
        """Whether it is a standby already and WAL arrives from the right server."""
        if self.cluster.state() != STANDBY:
            return False
        if self.following.settings().get("primary_conninfo") != self.following.wanted["primary_conninfo"]:
            return False
        with self.cluster.session() as cursor:
            return bool(rows(cursor, STREAMS))

    def refuse(self, state: str) -> Identity:
        """Before the first change. Returns who the new primary is."""
        unit, upstream, given = self.cluster.unit, self.following.upstream, self.given
        if state in (ABSENT, FRESH):
            raise HostError(f"{unit}: is {state} and was never a primary; run the role timescaledb, which takes a base backup")
        if state not in (PRIMARY, STANDBY, STOPPED):
            raise HostError(f"{unit}: is {state}; wait until it answers or stop it, then run again")
        if upstream.is_this_host():
            raise HostError(f"primary_host {upstream.host}: is this host itself; name the server that took over")
        control = self.cluster.control_data(self.run_command)
        own = control.get("Database system identifier", "")
        refuse_another_system(self.cluster.data_directory, own, given["system_identifier"])
        found = upstream.identify(given["password"])
        self.following.refuse_a_foreign_system(found, own)
        if upstream.is_standby(given["password"]):
            raise HostError(f"primary_host {upstream.host}: is a standby itself; name the primary")
        timeline = self.cluster.timeline(self.run_command)
        if found.timeline < timeline or (found.timeline == timeline and state == PRIMARY):
            raise HostError(f"primary_host {upstream.host}: is on timeline {found.timeline}, this host on {timeline}; only an outdated "
                            "primary is wound back, and this one is not: which of the two shall be the primary?")
        if not upstream.keeps_slot(given["password"], given["slot"]):
            raise HostError(f"slot {given['slot']}: does not exist on {upstream.host}; run the playbook database_rejoin, which makes it "
                            "there first")
        return found

    def rejoin(self, identity: Identity) -> None:
        self.systemctl.do("stop", [self.cluster.unit])
        if self.discarded:
            self.discarded.count()  # once more: now nothing can be added
            self.outcome["discarded"] = self.discarded.keep()
        if not self._rewind():
            self._copy(identity)
        try:
            self._serve()
        except HostError:
            # Wound back, and yet it does not come up: the new primary lacks a part of the log by now.
            if self.outcome["action"] == "base_backup" or self.given["base_backup"] == "never":
                raise
            self.systemctl.do("stop", [self.cluster.unit])
            self._copy(identity)
            self._serve()
        if self.discarded and not self.discarded.names:
            # It was stopped, and could not be asked before.
            self.discarded.learn()
            self.outcome["discarded"] = self.discarded.keep()

    def _copy(self, identity: Identity) -> None:
        self.outcome["action"] = "base_backup"
        self.following.base_backup(self.run_command, identity)

    def _serve(self) -> None:
        self.following.write_settings(self.following.wanted)
        self.following.signal().replace("", 0o600, SUPERUSER, SUPERUSER)
        self.systemctl.do("start", [self.cluster.unit])
        self.cluster.wait_until_answering(self.given["timeout_s"])

    def _rewind(self) -> bool:
        """Whether the data is an ancestor of the primary's now."""
        upstream = self.following.upstream
        source = f"{upstream.conninfo(application_name='pg_rewind')} dbname={quoted(SUPERUSER)}"
        # A server that died is recovered by pg_rewind itself first.
        argv = as_superuser([self.cluster.program("pg_rewind"), "--target-pgdata", self.cluster.data_directory,
                             "--source-server", source, "--config-file", f"{self.cluster.config_directory}/postgresql.conf"])
        host = self.cluster.host
        with log_kept(host.path(self.cluster.data_directory), host.path(self.cluster.wal_directory)):
            rc, out, err = self.run_command(argv, cwd="/", environ_update={"LC_ALL": "C"})
        if rc != 0:
            if self.given["base_backup"] == "never":
                raise HostError(f"pg_rewind: {reason(err)}; the server is stopped, and base_backup allows nothing more")
            return False
        self.outcome["action"] = "follow" if "no rewind required" in out + err else "rewind"
        return True

    def look_at_what_is_lost(self, identity: Identity, state: str) -> dict[str, Any]:
        """Told before anything is stopped; empty where the log does not tell."""
        timeline = self.cluster.timeline(self.run_command)
        if timeline == identity.timeline:
            return told(Log([], {}), {})
        upstream, password = self.following.upstream, self.given["password"]
        parting = upstream.parting(password, identity.timeline, timeline)
        if not parting:
            return {}
        discarded = Discarded(self.cluster, self.run_command, self.given["database"], timeline, parting,
                              upstream.promoted_at(password, parting.successor))
        if discarded.log_is_gone():
            return {}
        self.discarded = discarded
        discarded.count()
        if state != STOPPED:
            discarded.learn(with_rows=True)
        return discarded.told()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "system_identifier": {"type": "str", "required": True},
            "database": {"type": "str", "default": "hft_db"},
            "base_backup": {"type": "str", "choices": ["if_needed", "never"], "default": "if_needed"},
            "timeout_s": {"type": "int", "default": 120},
            **UPSTREAM_ARGUMENTS, **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    outdated = Outdated(module)
    cluster, following = outdated.cluster, outdated.following
    plan = Plan(module.check_mode)
    try:
        cluster.refuse_to_disturb_patroni()
        state = cluster.state()
        if not outdated.follows():
            identity = outdated.refuse(state)
            upstream = following.upstream
            plan.file(cluster.host.owned_file(upstream.passfile), upstream.passfile_line(module.params["password"]), 0o600, SUPERUSER,
                      SUPERUSER, secret=True)
            outdated.outcome.update(action="rewind", discarded=outdated.look_at_what_is_lost(identity, state))
            plan.change(Difference("live", cluster.unit, f"{state} (outdated)", f"standby of {upstream.host}"),
                        write=lambda: outdated.rejoin(identity))
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **outdated.outcome, **plan.failure())
    except psycopg2.Error as why:
        module.fail_json(msg=f"{cluster.unit}: {first_line(why)}", **outdated.outcome, **plan.failure())
    module.exit_json(**outdated.outcome, **plan.result())


if __name__ == "__main__":
    main()
