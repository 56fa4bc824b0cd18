# SPDX-License-Identifier: GPL-3.0-or-later
"""patch.yml on two failure domains, with a security archive of their own. A container cannot reboot: tests/vm has the reboot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab import playbook
from lab.paths import ROOT

_HOSTS = ("hft-debian-12-a", "hft-debian-12-b")
_ARCHIVE = (ROOT / "tests" / "vm" / "security_archive.sh").read_text()
_OLD = {"hft-case-daemon": "1.0", "hft-case-feature": "1.0", "hft-case-tool": "1.0", "linux-hft-case": "1.0"}
_PATCHED = {**_OLD, "hft-case-daemon": "1.1", "hft-case-tool": "1.1"}


@pytest.fixture(scope="module")
def versions(shell: Callable[[str, str], str]) -> Callable[[str], dict[str, str]]:
    """versions(host): of the packages of the security archive, which is made here."""
    for host in _HOSTS:
        shell(host, f"{_ARCHIVE}\napt-get update --quiet > /dev/null")  # check mode reads no lists anew

    def read(host: str) -> dict[str, str]:
        lines = shell(host, "dpkg-query --show 'hft-case-*' linux-hft-case").splitlines()
        return dict(sorted(line.split("\t") for line in lines))

    return read


@pytest.fixture
def patch(inventory: Path, versions: Callable[[str], dict[str, str]]) -> Callable[..., playbook.Run]:
    """patch(record, *arguments): patch.yml on both hosts."""

    def run(record: str, *arguments: str) -> playbook.Run:
        values = ["--extra-vars", '{"patch_hosts": "all", "patch_reboot": false, "patch_probe_s": 1}']
        return playbook.run("patch", *values, *arguments, inventory=inventory, record=f"patch_{record}", show=False)

    return run


def test_check_mode_says_what_waits_and_installs_nothing(patch: Callable, versions: Callable) -> None:
    done = patch("check", "--check")
    assert done.rc == 0, done.output
    assert {path for _host, _task, path in done.changes} == {"hft-case-daemon", "hft-case-tool"}
    assert "linux-hft-case 1.1: held by linux-*" in done.output
    assert [versions(host) for host in _HOSTS] == [_OLD, _OLD]


def test_a_host_that_may_trade_is_left_alone(patch: Callable, versions: Callable, shell: Callable) -> None:
    """An engine that does not answer may trade."""
    shell(_HOSTS[0], "systemd-run --quiet --unit=hft_system.service sleep infinity")
    done = patch("trades")
    shell(_HOSTS[0], "systemctl stop hft_system.service")
    assert done.rc != 0
    assert "or take trading away first" in " ".join(done.output.split())
    assert [versions(host) for host in _HOSTS] == [_OLD, _OLD]


def test_the_first_domain_that_fails_ends_the_run(patch: Callable, versions: Callable, shell: Callable) -> None:
    shell(_HOSTS[0], "mv /srv/security/hft-case-tool_1.1.deb /srv")
    done = patch("fails")
    shell(_HOSTS[0], "mv /srv/hft-case-tool_1.1.deb /srv/security")
    assert done.rc != 0
    assert "apt-get install" in done.output
    assert versions(_HOSTS[1]) == _OLD


def test_security_updates_alone_one_domain_after_the_other(patch: Callable, versions: Callable) -> None:
    done = patch("patch")
    assert done.rc == 0, done.output
    assert [versions(host) for host in _HOSTS] == [_PATCHED, _PATCHED]
    assert "linux-hft-case 1.1: held by linux-*" in done.output
    # Each domain is measured before the next one is touched.
    order = [(host, path) for host, _task, path in done.changes]
    assert order == sorted(order)
    assert done.output.count("latency: ") == len(_HOSTS)
    assert patch("again").changes == []
