#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_standby
short_description: Make the local PostgreSQL cluster a streaming standby
version_added: 0.1.0
description:
  - Takes a base backup of the primary through a physical slot, marks it as a standby and tells it whom to follow. Does
    not start the server.
  - Overwrites only what holds nobody's data, that is a data directory which does not exist or which was created and never
    started. Refuses a primary, a stopped cluster that is no standby, a standby of another system, and itself as primary.
  - A standby of the right primary stays as it is. When only the way to the primary differs (host, port, role, slot,
    name), that is changed in place and the server reloaded.
  - The new data directory is built beside the old one and put in its place by a rename, so a failed backup leaves the
    host as it was.
  - The password is written to a passfile that only V(postgres) reads, never to a command line or a configuration file.
  - Check mode plans and makes the refusals. Nothing is asked of the primary where the local host has no psycopg2 yet or the
    primary does not answer yet.
options:
  cluster:
    description: Name of the cluster in Debian's layout; its configuration directory must exist (C(pg_createcluster)).
    type: str
    default: main
  port:
    description: Port of the local cluster.
    type: int
    default: 5432
requirements:
  - python3-psycopg2 on the host before PostgreSQL runs there, to ask the primary
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_upstream, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Follow the primary
  hft.ops.pg_standby:
    primary_host: hft-db-01
    user: hft_replication
    password: "{{ replication_password }}"
    slot: hft_prod_01
    application_name: hft-prod-01
"""

RETURN = r"""
action:
  description: V(none), V(base_backup) or V(redirect).
  returned: always
  type: str
system_identifier:
  description: Identifier of the system that this standby belongs to; empty when the primary was not asked.
  returned: always
  type: str
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
    STREAMS,
    SUPERUSER,
    Cluster,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_following import UPSTREAM_ARGUMENTS, Following, upstream_of
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Identity, Unreachable


class Standby:
    """The local cluster and the server it is to follow."""

    def __init__(self, module: AnsibleModule, host: Host) -> None:
        given = module.params
        self.run_command = module.run_command
        self.check_mode = module.check_mode
        self.password = given["password"]
        self.cluster = Cluster(host, given["version"], given["cluster"], given["port"])
        self.upstream = upstream_of(given)
        self.following = Following(self.cluster, self.upstream, given["slot"])

    def refuse_what_is_not_ours(self, state: str) -> None:
        """Whatever holds somebody's data, and a standby of itself."""
        where = self.cluster.data_directory
        if state == PRIMARY:
            raise HostError(f"{where}: is a running primary and will not be overwritten; make it the primary in the inventory, "
                            "move the primary with the playbook database_switchover, or rejoin an outdated one with database_rejoin")
        if state not in (ABSENT, FRESH) and not self.cluster.standby_signal:
            raise HostError(f"{where}: holds a {state} cluster that is not a standby and will not be overwritten; "
                            "rejoin it with the playbook database_rejoin, or move the directory away")
        try:
            own = self.upstream.is_this_host()
        except Unreachable:
            if not self.check_mode:
                raise
            own = False
        if own:
            raise HostError(f"primary_host {self.upstream.host}: is this host itself; name the server that this standby is to follow")

    def refuse_a_lost_slot(self) -> None:
        """A standby that asks for a slot which is not there gets nothing at all."""
        slot = self.following.wanted["primary_slot_name"]
        if not self.upstream.keeps_slot(self.password, slot):
            raise HostError(f"slot {slot}: does not exist on {self.upstream.host}; name this host among the standbys there "
                            "(timescaledb_standby_hosts) and run the primary's part first, which makes it")

    def identity(self) -> Identity | None:
        """Who the primary is; None when that cannot be known before the real run."""
        try:
            return self.upstream.identify(self.password)
        except Unreachable:
            if self.check_mode:
                return None
            raise

    def local(self, state: str) -> tuple[str, bool]:
        """System identifier, and whether WAL arrives now."""
        if state != STANDBY:
            return self.cluster.control_data(self.run_command).get("Database system identifier", ""), False
        with self.cluster.session() as cursor:
            own = rows(cursor, "SELECT system_identifier::text AS id FROM pg_control_system()")[0]["id"]
            streaming = bool(rows(cursor, STREAMS))
        return own, streaming


def main() -> None:
    arguments = {**UPSTREAM_ARGUMENTS, **CLUSTER_ARGUMENTS}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    host = Host()
    standby = Standby(module, host)
    plan = Plan(check_mode=module.check_mode)
    outcome: dict[str, Any] = {"action": "none", "system_identifier": ""}
    try:
        standby.cluster.refuse_to_disturb_patroni()
        state = standby.cluster.state()
        standby.refuse_what_is_not_ours(state)
        new_password = plan.file(host.owned_file(standby.upstream.passfile), standby.upstream.passfile_line(standby.password), 0o600,
                                 SUPERUSER, SUPERUSER, secret=True)
        if state in (ABSENT, FRESH):
            identity = standby.identity()
            if identity:
                standby.following.refuse_a_foreign_system(identity, "")
            plan.change(Difference("persisted", standby.cluster.data_directory, None if state == ABSENT else "fresh cluster",
                                   f"base backup of {standby.upstream.host}"),
                        write=lambda: standby.following.base_backup(module.run_command, identity))
            outcome["action"] = "base_backup"
        else:
            own, streaming = standby.local(state)
            settings = standby.following.settings()
            stale = {name: value for name, value in standby.following.wanted.items() if settings.get(name) != value}
            # A password that is about to be rotated on the primary does not fit before that, which check mode cannot do.
            if stale or not streaming or (new_password and not module.check_mode):
                try:
                    identity = standby.upstream.identify(standby.password)
                    standby.following.refuse_a_foreign_system(identity, own)
                    if not module.check_mode:
                        standby.refuse_a_lost_slot()
                except Unreachable as why:
                    if stale and not module.check_mode:
                        raise
                    module.warn(str(why))
            for name, value in stale.items():
                plan.change(Difference("persisted", name, settings.get(name) or None, value),
                            write=lambda name=name, value=value: standby.following.write_settings({name: value}),
                            undo=lambda name=name: standby.following.write_settings({name: settings.get(name, "")}))
                outcome["action"] = "redirect"
            outcome["system_identifier"] = own
        plan.run()
        if outcome["action"] == "base_backup" and identity:
            outcome["system_identifier"] = identity.system_identifier
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**outcome, **plan.result())


if __name__ == "__main__":
    main()
