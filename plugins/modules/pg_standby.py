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
  primary_host:
    description: Name or address of the server to follow.
    type: str
    required: true
  primary_port:
    description: Its port.
    type: int
    default: 5432
  user:
    description: Role with the right to replicate.
    type: str
    required: true
  password:
    description: Password of O(user).
    type: str
    required: true
  passfile:
    description: File that keeps the password on this host (mode 0600, owner postgres).
    type: path
    default: /var/lib/postgresql/replication.pgpass
  slot:
    description: Physical slot on the primary; it must exist there.
    type: str
    required: true
  application_name:
    description: Name under which this standby appears on the primary and in C(synchronous_standby_names).
    type: str
    required: true
  sslmode:
    description: Use of TLS towards the primary, in libpq's words.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  cluster:
    description: Name of the cluster in Debian's layout; its configuration directory must exist (C(pg_createcluster)).
    type: str
    default: main
  port:
    description: Port of the local cluster.
    type: int
    default: 5432
requirements:
  - python3-psycopg2 on the host
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
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

import os
import shutil
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
    SUPERUSER,
    Cluster,
    first_line,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Identity, Unreachable, Upstream, settings_in, with_settings


class Standby:
    """The local cluster and the server it is to follow."""

    def __init__(self, module: AnsibleModule, host: Host) -> None:
        given = module.params
        self.host = host
        self.run_command = module.run_command
        self.check_mode = module.check_mode
        self.password = given["password"]
        self.cluster = Cluster(host, given["version"], given["cluster"], given["port"])
        self.upstream = Upstream(given["primary_host"], given["primary_port"], given["user"], given["passfile"], given["sslmode"],
                                 given["application_name"])
        self.wanted = {"primary_conninfo": self.upstream.conninfo(), "primary_slot_name": given["slot"]}
        self.auto_conf = f"{self.cluster.data_directory}/postgresql.auto.conf"

    def refuse_what_is_not_ours(self, state: str) -> None:
        """Whatever holds somebody's data, and a standby of itself."""
        where = self.cluster.data_directory
        if state == PRIMARY:
            raise HostError(f"{where}: is a running primary and will not be overwritten; make it the primary in the inventory, "
                            "or stop it and rejoin it by hand")
        if state not in (ABSENT, FRESH) and not self.cluster.standby_signal:
            raise HostError(f"{where}: holds a {state} cluster that is not a standby and will not be overwritten; "
                            "rejoin it with pg_rewind, or move the directory away")
        try:
            own = self.upstream.is_this_host()
        except Unreachable:
            if not self.check_mode:
                raise
            own = False
        if own:
            raise HostError(f"primary_host {self.upstream.host}: is this host itself; name the server that this standby is to follow")

    def identity(self) -> Identity | None:
        """Who the primary is; None when that cannot be known before the real run."""
        try:
            return self.upstream.identify(self.password)
        except Unreachable:
            if self.check_mode:
                return None
            raise

    def refuse_a_foreign_system(self, found: Identity, own: str) -> None:
        if found.major_version != self.cluster.version:
            raise HostError(f"primary {self.upstream.host}: runs PostgreSQL {found.major_version}, this host has {self.cluster.version}; "
                            "install the same major version")
        if own and own != found.system_identifier:
            raise HostError(f"{self.cluster.data_directory}: belongs to system {own}, the primary {self.upstream.host} is system "
                            f"{found.system_identifier}; it will not be overwritten: move it away to take a new base backup")

    def local(self, state: str) -> tuple[str, dict[str, str], bool]:
        """System identifier, settings, and whether WAL arrives from the right primary now."""
        if state != STANDBY:
            found = self.cluster.control_data(self.run_command).get("Database system identifier", "")
            return found, settings_in(self.host.read(self.auto_conf) or ""), False
        with self.cluster.session() as cursor:
            own = rows(cursor, "SELECT system_identifier::text AS id FROM pg_control_system()")[0]["id"]
            settings = {row["name"]: row["setting"] for row in
                        rows(cursor, "SELECT name, setting FROM pg_settings WHERE name IN ('primary_conninfo', 'primary_slot_name')")}
            streaming = bool(rows(cursor, "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"))
        return own, settings, streaming

    def write_settings(self, settings: dict[str, str]) -> None:
        if self.cluster.state() == STANDBY:
            with self.cluster.session() as cursor:
                for name, value in settings.items():
                    cursor.execute(f"ALTER SYSTEM SET {name} = %s", (value,))
                cursor.execute("SELECT pg_reload_conf()")
            return
        file = self.host.owned_file(self.auto_conf)
        file.replace(with_settings(file.before or "", settings), 0o600, SUPERUSER, SUPERUSER)

    def base_backup(self, identity: Identity) -> None:
        """Build the new data directory beside the old one, then put it in its place."""
        if not self.host.path(f"{self.cluster.config_directory}/postgresql.conf").exists():
            raise HostError(f"{self.cluster.config_directory}: no configuration; create the cluster first (pg_createcluster)")
        final = self.host.path(self.cluster.data_directory)
        scratch, former = f"{final}.base_backup", f"{final}.before_base_backup"
        for leftover in (scratch, former):
            shutil.rmtree(leftover, ignore_errors=True)
        # Not under its own name: with a slot the backup reports what it flushed, and a commit must not count that as a standby's.
        source = self.upstream.conninfo(application_name="pg_basebackup")
        argv = ["runuser", "--user", SUPERUSER, "--", self.cluster.program("pg_basebackup"), "--pgdata", scratch, "--no-password",
                "--checkpoint", "fast", "--wal-method", "stream", "--slot", self.wanted["primary_slot_name"],
                "--dbname", source]
        rc, _out, err = self.run_command(argv, cwd="/")
        if rc != 0:
            shutil.rmtree(scratch, ignore_errors=True)
            raise HostError(f"base backup from {self.upstream.host}: {reason(err)}")
        try:
            made = self.cluster.control_data(self.run_command, scratch).get("Database system identifier")
            if made != identity.system_identifier:
                raise HostError(f"base backup from {self.upstream.host}: is system {made}, asked was {identity.system_identifier}")
            auto_conf = self.host.owned_file(f"{scratch}/postgresql.auto.conf")
            auto_conf.replace(with_settings(auto_conf.before or "", self.wanted), 0o600, SUPERUSER, SUPERUSER)
            self.host.owned_file(f"{scratch}/standby.signal").replace("", 0o600, SUPERUSER, SUPERUSER)
        except HostError:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        if os.path.exists(final):
            os.rename(final, former)
        os.rename(scratch, final)
        shutil.rmtree(former, ignore_errors=True)


def reason(stderr: str) -> str:
    """What pg_basebackup ended with, and what to do where that is known."""
    lines = [line.strip() for line in stderr.splitlines() if "error:" in line or "FATAL:" in line] or [first_line(stderr)]
    said = lines[-1].split("error:")[-1].strip()
    if "slot" in said and "does not exist" in said:
        return f"{said}; name this host among the primary's standbys and configure the primary first"
    return said


def main() -> None:
    arguments = {
        "primary_host": {"type": "str", "required": True},
        "primary_port": {"type": "int", "default": 5432},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "passfile": {"type": "path", "default": "/var/lib/postgresql/replication.pgpass", "no_log": False},
        "slot": {"type": "str", "required": True},
        "application_name": {"type": "str", "required": True},
        "sslmode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], "default": "prefer"},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    host = Host()
    standby = Standby(module, host)
    plan = Plan(check_mode=module.check_mode)
    outcome: dict[str, Any] = {"action": "none", "system_identifier": ""}
    try:
        state = standby.cluster.state()
        standby.refuse_what_is_not_ours(state)
        plan.file(host.owned_file(standby.upstream.passfile), standby.upstream.passfile_line(standby.password), 0o600, SUPERUSER, SUPERUSER,
                  secret=True)
        if state in (ABSENT, FRESH):
            identity = standby.identity()
            if identity:
                standby.refuse_a_foreign_system(identity, "")
            plan.change(Difference("persisted", standby.cluster.data_directory, None if state == ABSENT else "fresh cluster",
                                   f"base backup of {standby.upstream.host}"), write=lambda: standby.base_backup(identity))
            outcome["action"] = "base_backup"
        else:
            own, settings, streaming = standby.local(state)
            stale = {name: value for name, value in standby.wanted.items() if settings.get(name) != value}
            if stale or not streaming:
                try:
                    identity = standby.upstream.identify(standby.password)
                    standby.refuse_a_foreign_system(identity, own)
                except Unreachable as why:
                    if stale and not module.check_mode:
                        raise
                    module.warn(str(why))
            for name, value in stale.items():
                plan.change(Difference("persisted", name, settings.get(name) or None, value),
                            write=lambda name=name, value=value: standby.write_settings({name: value}),
                            undo=lambda name=name: standby.write_settings({name: settings.get(name, "")}))
                outcome["action"] = "redirect"
            outcome["system_identifier"] = own
        plan.run()
        if outcome["action"] == "base_backup" and identity:
            outcome["system_identifier"] = identity.system_identifier
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.result())
    module.exit_json(**outcome, **plan.result())


if __name__ == "__main__":
    main()
