# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What makes a data directory a standby: whom it follows, the mark, the base backup."""

from __future__ import annotations

import shutil
from typing import Any, Callable

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError, OwnedFile
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    PRIMARY,
    STANDBY,
    SUPERUSER,
    Cluster,
    as_superuser,
    first_line,
    settings_of,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Identity, Upstream, settings_in, with_settings

UPSTREAM_ARGUMENTS: dict[str, dict[str, Any]] = {
    "primary_host": {"type": "str", "required": True},
    "primary_port": {"type": "int", "default": 5432},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "passfile": {"type": "path", "default": "/var/lib/postgresql/replication.pgpass", "no_log": False},
    "slot": {"type": "str", "required": True},
    "application_name": {"type": "str", "required": True},
    "sslmode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"], "default": "prefer"},
    "sslrootcert": {"type": "path", "default": ""},
}


def upstream_of(given: dict[str, Any]) -> Upstream:
    """From a module's parameters."""
    return Upstream(given["primary_host"], given["primary_port"], given["user"], given["passfile"], given["sslmode"],
                    given["application_name"], given["sslrootcert"])


class Following:
    """The local cluster as the follower of a server."""

    def __init__(self, cluster: Cluster, upstream: Upstream, slot: str) -> None:
        self.cluster = cluster
        self.upstream = upstream
        self.wanted = {"primary_conninfo": upstream.conninfo(), "primary_slot_name": slot}
        self.auto_conf = f"{cluster.data_directory}/postgresql.auto.conf"

    @property
    def host(self) -> Host:
        return self.cluster.host

    def settings(self) -> dict[str, str]:
        """As the server has them, or as the stopped one will."""
        if self.cluster.state() not in (PRIMARY, STANDBY):
            return settings_in(self.host.read(self.auto_conf) or "")
        with self.cluster.session() as cursor:
            return settings_of(cursor, *self.wanted)

    def write_settings(self, settings: dict[str, str]) -> None:
        if self.cluster.state() in (PRIMARY, STANDBY):
            self.cluster.alter_system(settings)
            return
        file = self.host.owned_file(self.auto_conf)
        file.replace(with_settings(file.before or "", settings), 0o600, SUPERUSER, SUPERUSER)

    def signal(self, directory: str | None = None) -> OwnedFile:
        """The file that makes the next start a standby's."""
        return self.host.owned_file(f"{directory or self.cluster.data_directory}/standby.signal")

    def refuse_a_foreign_system(self, found: Identity, own: str) -> None:
        if found.major_version != self.cluster.version:
            raise HostError(f"primary {self.upstream.host}: runs PostgreSQL {found.major_version}, this host has {self.cluster.version}; "
                            "install the same major version")
        if own and own != found.system_identifier:
            raise HostError(f"{self.cluster.data_directory}: belongs to system {own}, the primary {self.upstream.host} is system "
                            f"{found.system_identifier}; it will not be overwritten: move it away to take a new base backup")

    def base_backup(self, run_command: Callable[..., tuple[int, str, str]], identity: Identity) -> None:
        """Build the new data directory beside the old one, then put it in its place."""
        if not self.host.path(f"{self.cluster.config_directory}/postgresql.conf").exists():
            raise HostError(f"{self.cluster.config_directory}: no configuration; create the cluster first (pg_createcluster)")
        final = self.host.path(self.cluster.data_directory)
        scratch = f"{final}.base_backup"
        wal = f"{self.cluster.wal_directory}.base_backup" if (final / "pg_wal").is_symlink() else ""

        def clean() -> None:
            for directory in filter(None, (scratch, wal)):
                shutil.rmtree(directory, ignore_errors=True)

        clean()
        # Not under its own name: with a slot the backup reports what it flushed, and a commit must not count that as a standby's.
        source = self.upstream.conninfo(application_name="pg_basebackup")
        argv = as_superuser([self.cluster.program("pg_basebackup"), "--pgdata", scratch, "--no-password", "--checkpoint", "fast",
                             "--wal-method", "stream", "--slot", self.wanted["primary_slot_name"], "--dbname", source,
                             *(["--waldir", wal] if wal else [])])
        rc, _out, err = run_command(argv, cwd="/")
        if rc != 0:
            clean()
            raise HostError(f"base backup from {self.upstream.host}: {reason(err)}")
        try:
            made = self.cluster.control_data(run_command, scratch).get("Database system identifier")
            if made != identity.system_identifier:
                raise HostError(f"base backup from {self.upstream.host}: is system {made}, asked was {identity.system_identifier}")
            auto_conf = self.host.owned_file(f"{scratch}/postgresql.auto.conf")
            auto_conf.replace(with_settings(auto_conf.before or "", self.wanted), 0o600, SUPERUSER, SUPERUSER)
            self.signal(scratch).replace("", 0o600, SUPERUSER, SUPERUSER)
        except HostError:
            clean()
            raise
        self.cluster.put_in_place(scratch)


def reason(stderr: str) -> str:
    """What pg_basebackup or pg_rewind ended with, and what to do where that is known."""
    lines = [line.strip() for line in stderr.splitlines() if "error:" in line or "FATAL:" in line] or [first_line(stderr)]
    said = lines[-1].split("error:")[-1].strip()
    if "slot" in said and "does not exist" in said:
        return f"{said}; name this host among the primary's standbys and configure the primary first"
    return said
