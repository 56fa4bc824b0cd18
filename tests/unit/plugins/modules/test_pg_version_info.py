# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.module_utils._postgres import Cluster
from ansible_collections.hft.ops.plugins.modules.pg_version_info import information, missing_library

_POLICY = """postgresql-17:
  Installed: 17.10-0+deb13u1
  Candidate: 17.11-0+deb13u1
  Version table:
     17.11-0+deb13u1 500
 *** 17.10-0+deb13u1 100
unheard-of:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


@pytest.fixture
def host(tmp_path) -> Host:
    """PostgreSQL 17 with two libraries of the extension, stopped."""
    for path, text in {
        "usr/share/postgresql/17/extension/timescaledb.control": "default_version = '2.20.0'\nrelocatable = false\n",
        "usr/lib/postgresql/17/lib/timescaledb-2.19.3.so": "", "usr/lib/postgresql/17/lib/timescaledb-2.20.0.so": "",
        "usr/lib/postgresql/17/lib/timescaledb-tsl-2.20.0.so": "", "usr/lib/postgresql/17/lib/timescaledb.so": "",
        "usr/lib/postgresql/17/bin/postgres": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Host(tmp_path)


def _run(argv: list[str], **_more: object) -> tuple[int, str, str]:
    if argv[0] == "dpkg-query":
        return 0, "postgresql-17\t17.10-0+deb13u1\tinstalled\t\n", ""
    return (0, _POLICY, "") if argv[0] == "apt-cache" else (0, "postgres (PostgreSQL) 17.10 (Debian 17.10-0+deb13u1)\n", "")


def test_what_is_installed_is_told_apart_from_what_could_be(host) -> None:
    found = information(host, Cluster(host, 17, "main", 5432), _run, ["postgresql-17", "unheard-of"])
    assert found["packages"] == {"postgresql-17": {"installed": "17.10-0+deb13u1", "candidate": "17.11-0+deb13u1"},
                                 "unheard-of": {"installed": "", "candidate": ""}}
    assert (found["installed"], found["running"], found["library"]) == ("17.10", "", "2.20.0")
    assert found["libraries"] == ["2.19.3", "2.20.0"]


def test_a_host_without_postgresql_answers_too(tmp_path) -> None:
    bare = Host(tmp_path)
    found = information(bare, Cluster(bare, 17, "main", 5432), _run, [])
    assert (found["installed"], found["library"], found["libraries"], found["catalog"]) == ("", "", [], {})


def test_a_database_without_its_library_names_it() -> None:
    assert missing_library('could not access file "$libdir/timescaledb-2.19.3": No such file or directory\n') == "2.19.3"
