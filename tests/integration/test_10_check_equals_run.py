# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode tells the truth: on bare hosts it lists, path by path, what the run then changes."""

from __future__ import annotations

from conftest import on

from lab import playbook
from lab.paths import BUILD


def test_check_mode_on_bare_hosts_succeeds(check_run: playbook.Run) -> None:
    assert check_run.rc == 0, check_run.output[-3000:]
    assert check_run.changed > 0


def test_check_mode_changed_nothing(check_run: playbook.Run) -> None:
    assert on("hft-prod-01", "ls /opt/hft_system /etc/postgresql /etc/sysctl.d/90-hft.conf", check=False) == ""
    assert on("hft-db-01", "dpkg-query -W -f '${Status}' postgresql-17", check=False) != "install ok installed"


def test_the_run_changes_what_check_listed(check_run: playbook.Run, demo: dict) -> None:
    """A package that two roles name is listed for both, and installed by the first: so paths are compared, host by host."""
    changes, _ = playbook.read_record(BUILD / "record" / "site.jsonl")
    listed, done = ({(host, path or task) for host, task, path in one} for one in (check_run.changes, changes))
    assert listed == done, f"only listed: {sorted(listed - done)}\nonly done: {sorted(done - listed)}"
