# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _postgres
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import ABSENT, FRESH, PRIMARY, STANDBY, STOPPED, Cluster
from ansible_collections.hft.ops.plugins.module_utils._postgres_following import reason
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import (
    Identity,
    Unreachable,
    Upstream,
    quoted,
    settings_in,
    with_settings,
)
from ansible_collections.hft.ops.plugins.modules.pg_standby import Standby

_DATA = "var/lib/postgresql/17/main"
_PARAMETERS = {
    "primary_host": "192.0.2.1", "primary_port": 5432, "user": "hft_replication", "password": "secret", "slot": "here",
    "passfile": "/var/lib/postgresql/replication.pgpass", "sslmode": "prefer", "sslrootcert": "", "application_name": "here",
    "version": 17, "cluster": "main", "port": 5432,
}


def _standby(root, check_mode: bool = False, **more: object) -> Standby:
    module = SimpleNamespace(params={**_PARAMETERS, **more}, check_mode=check_mode, run_command=None)
    return Standby(module, Host(root))


def _upstream(**more: object) -> Upstream:
    given = {"host": "db-1", "port": 5432, "user": "hft_replication", "passfile": "/p", "sslmode": "prefer", "application_name": "prod-1"}
    return Upstream(**{**given, **more})


def _file(root, name: str, text: str = "") -> None:
    target = root / _DATA / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def _cluster(root) -> Cluster:
    return Cluster(Host(root), 17, "main", 5432)


def test_a_host_without_data_directory_is_absent(tmp_path) -> None:
    assert _cluster(tmp_path).state() == ABSENT


def test_what_initdb_left_is_fresh(tmp_path) -> None:
    for name in ("PG_VERSION", "base/1/1259", "base/5/13470_vm", "base/5/pg_filenode.map"):
        _file(tmp_path, name)
    assert _cluster(tmp_path).state() == FRESH


@pytest.mark.parametrize("trace", ["postmaster.opts", "standby.signal", "base/5/16384", "base/16385/1259", "pg_tblspc/16390"])
def test_what_was_ever_used_is_not_fresh(tmp_path, trace: str) -> None:
    _file(tmp_path, "PG_VERSION")
    _file(tmp_path, trace)
    assert _cluster(tmp_path).state() == STOPPED


def test_a_pid_file_of_a_dead_server_means_stopped(tmp_path) -> None:
    for name, text in {"PG_VERSION": "17\n", "postmaster.opts": "", "postmaster.pid": "4711\n/data\n"}.items():
        _file(tmp_path, name, text)
    comm = tmp_path / "proc/4711/comm"
    comm.parent.mkdir(parents=True)
    comm.write_text("bash\n")
    assert _cluster(tmp_path).state() == STOPPED


def test_a_running_server_without_a_driver_is_said_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(_postgres, "psycopg2", None)
    _file(tmp_path, "PG_VERSION")
    _file(tmp_path, "postmaster.pid", "4711\n")
    comm = tmp_path / "proc/4711/comm"
    comm.parent.mkdir(parents=True)
    comm.write_text("postgres\n")
    with pytest.raises(HostError, match="python3-psycopg2: not installed"):
        _cluster(tmp_path).state()


def test_a_running_primary_is_never_overwritten(tmp_path) -> None:
    with pytest.raises(HostError, match="is a running primary and will not be overwritten"):
        _standby(tmp_path).refuse_what_is_not_ours(PRIMARY)


def test_a_stopped_cluster_that_is_no_standby_is_never_overwritten(tmp_path) -> None:
    with pytest.raises(HostError, match="holds a stopped cluster that is not a standby"):
        _standby(tmp_path).refuse_what_is_not_ours(STOPPED)


@pytest.mark.parametrize("state", [ABSENT, FRESH])
def test_what_holds_no_data_may_become_a_standby(tmp_path, state: str) -> None:
    _standby(tmp_path).refuse_what_is_not_ours(state)


def test_a_stopped_standby_stays_one(tmp_path) -> None:
    _file(tmp_path, "standby.signal")
    _standby(tmp_path).refuse_what_is_not_ours(STOPPED)


@pytest.mark.parametrize("state", [ABSENT, FRESH, STANDBY])
def test_a_standby_of_itself_is_refused(tmp_path, state: str) -> None:
    _file(tmp_path, "standby.signal")
    with pytest.raises(HostError, match=r"primary_host 127\.0\.0\.1: is this host itself"):
        _standby(tmp_path, primary_host="127.0.0.1").refuse_what_is_not_ours(state)


def test_a_name_that_does_not_resolve_stops_the_run_and_not_the_plan(tmp_path) -> None:
    with pytest.raises(Unreachable, match=r"primary_host nowhere\.invalid: no such name"):
        _standby(tmp_path, primary_host="nowhere.invalid").refuse_what_is_not_ours(ABSENT)
    _standby(tmp_path, check_mode=True, primary_host="nowhere.invalid").refuse_what_is_not_ours(ABSENT)


def test_a_standby_of_another_system_is_never_overwritten(tmp_path) -> None:
    standby = _standby(tmp_path)
    with pytest.raises(HostError, match=r"belongs to system 1, the primary 192\.0\.2\.1 is system 2"):
        standby.following.refuse_a_foreign_system(Identity("2", 1, 17), "1")
    standby.following.refuse_a_foreign_system(Identity("2", 1, 17), "2")


def test_another_major_version_is_refused(tmp_path) -> None:
    with pytest.raises(HostError, match="runs PostgreSQL 16, this host has 17"):
        _standby(tmp_path).following.refuse_a_foreign_system(Identity("2", 1, 16), "")


def test_the_password_stands_in_the_passfile_alone() -> None:
    upstream = _upstream()
    assert upstream.conninfo() == "host=db-1 port=5432 user=hft_replication passfile=/p sslmode=prefer application_name=prod-1"
    assert upstream.passfile_line("s3cret") == "db-1:5432:*:hft_replication:s3cret\n"


def test_colon_and_backslash_are_escaped_in_the_passfile() -> None:
    assert _upstream(host="2001:db8::1").passfile_line("a:b\\c") == "2001\\:db8\\:\\:1:5432:*:hft_replication:a\\:b\\\\c\n"


def test_a_base_backup_runs_under_another_name_than_the_standby() -> None:
    assert "application_name=pg_basebackup" in _upstream().conninfo(application_name="pg_basebackup")


@pytest.mark.parametrize(("value", "text"), [("db-1.example", "db-1.example"), ("a b", "'a b'"), ("it's", r"'it\'s'"), ("", "''")])
def test_values_of_a_connection_string_are_quoted(value: str, text: str) -> None:
    assert quoted(value) == text


def test_settings_are_set_once_and_other_lines_stay() -> None:
    before = "# Do not edit\nwork_mem = '9MB'\nprimary_conninfo = 'host=old'\nprimary_conninfo = 'host=older'\n"
    after = with_settings(before, {"primary_conninfo": "host='a b'", "primary_slot_name": "s"})
    assert after == "# Do not edit\nwork_mem = '9MB'\nprimary_conninfo = 'host=''a b'''\nprimary_slot_name = 's'\n"
    assert settings_in(after) == {"work_mem": "9MB", "primary_conninfo": "host='a b'", "primary_slot_name": "s"}


@pytest.mark.parametrize(("stderr", "said"), [
    ('pg_basebackup: error: could not send replication command "START_REPLICATION": ERROR:  replication slot "x" does not exist\n',
     "name this host among the primary's standbys"),
    ("pg_basebackup: initiating\npg_basebackup: error: could not write: No space left on device\n",
     "could not write: No space left on device"),
])
def test_the_end_of_a_failed_base_backup_is_told(stderr: str, said: str) -> None:
    assert said in reason(stderr)


def test_a_new_data_directory_takes_the_place_of_the_old_one(tmp_path) -> None:
    _file(tmp_path, "PG_VERSION", "old")
    _file(tmp_path, "../main.base_backup/PG_VERSION", "new")
    _cluster(tmp_path).put_in_place("/var/lib/postgresql/17/main.base_backup")
    assert (tmp_path / _DATA / "PG_VERSION").read_text() == "new"
    assert [path.name for path in (tmp_path / _DATA).parent.iterdir()] == ["main"]


@pytest.mark.parametrize("own_place", [True, False])
def test_a_write_ahead_log_with_a_place_of_its_own_keeps_it(tmp_path, own_place: bool) -> None:
    """Whether the new directory comes with its log beside the old one's (base backup) or within itself (restore)."""
    place = tmp_path / "srv/wal/17-main"
    for path, text in {place / "log": "old", tmp_path / _DATA / "PG_VERSION": "old"}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / _DATA / "pg_wal").symlink_to(place)
    new = tmp_path / f"{_DATA}.new"
    log = place.with_name("17-main.base_backup") if own_place else new / "pg_wal"
    new.mkdir()
    log.mkdir()
    (log / "log").write_text("new")
    if own_place:
        (new / "pg_wal").symlink_to(log)
    cluster = _cluster(tmp_path)
    cluster.put_in_place(f"/{_DATA}.new")
    assert cluster.wal_directory == str(place)
    assert (place / "log").read_text() == "new"
    assert [path.name for path in place.parent.iterdir()] == ["17-main"]
