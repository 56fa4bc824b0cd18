# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's playbooks on Debian 12: everything that a container lets itself be given, as the scenario `host` does it on Debian 13."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lab import playbook
from lab.paths import BUILD, ROOT

Play = Callable[..., playbook.Run]
Shell = Callable[[str, str], str]
_HOST = "hft-debian-12-a"
_REPORTS = BUILD / "hosts" / "reports"
_SCENARIO = yaml.safe_load((ROOT / "molecule" / "host" / "converge.yml").read_text())[0]["vars"]
_FILES = "find /etc -type f -exec sha256sum {} + | sort; systemctl list-unit-files --no-legend | awk '{print $1, $2}'"


@pytest.fixture(scope="module")
def play(inventory: Path) -> Play:
    """play(name, record, **more): one of the host's playbooks, with what the scenario `host` asks for."""

    def run(name: str, record: str, **more: object) -> playbook.Run:
        # A container cannot reboot, and has no time server to follow: the report is read here, and fails nothing.
        values = {**_SCENARIO, "host_hosts": _HOST, "host_reboot": False, "host_probe_s": 0, "host_report_folder": str(_REPORTS), **more}
        done = playbook.run(name, "--extra-vars", json.dumps(values), inventory=inventory, record=f"debian_12_{record}", show=False)
        assert done.rc == 0, done.output[-6000:]
        return done

    return run


def _knobs() -> list[dict]:
    return json.loads((_REPORTS / f"{_HOST}.json").read_text())["knobs"]


@pytest.fixture(scope="module")
def converged(play: Play, shell: Shell) -> playbook.Run:
    assert "VERSION_ID=\"12\"" in shell(_HOST, "cat /etc/os-release")
    before = shell(_HOST, _FILES)
    play("host_audit", "audit")
    assert shell(_HOST, _FILES) == before
    done = play("host", "host")
    shell(_HOST, "systemctl restart ssh.service")
    return done


def test_a_second_run_changes_nothing(converged: playbook.Run, play: Play) -> None:
    assert converged.changed > 0
    assert play("host", "again").changes == []


def test_every_knob_is_as_wanted_or_says_why_a_container_has_none(converged: playbook.Run, play: Play) -> None:
    play("host_audit", "audit_again")
    # chrony has nobody to ask in a network without a time server.
    wrong = [one["name"] for one in _knobs() if one["status"] not in ("applied", "not_applicable") and one["name"] != "clock offset"]
    assert not wrong
    kernel = [one for one in _knobs() if one["role"] in ("realtime_kernel", "cpu_isolation", "hugepages", "cpu_power")]
    assert kernel
    assert all(one["status"] == "not_applicable" and one["reason"] for one in kernel)


def test_systemd_252_reads_what_was_written(converged: playbook.Run, shell: Shell) -> None:
    assert "vm.swappiness = 1" in shell(_HOST, "systemd-analyze cat-config sysctl.d")
    assert "SystemMaxUse=2G" in shell(_HOST, "systemd-analyze cat-config systemd/journald.conf")
    limits = shell(_HOST, "awk '/Max open files/ {print $4, $5}' /proc/$(systemctl show --property MainPID --value ssh.service)/limits")
    assert limits.split() == ["1024", "10000"]
    assert shell(_HOST, "systemctl is-active chrony.service").strip() == "active"


def test_what_was_turned_by_hand_is_the_only_drift(converged: playbook.Run, play: Play, shell: Shell) -> None:
    shell(_HOST, "sed -i 's/^hft_user - nofile .*/hft_user - nofile 1024/' /etc/security/limits.d/90-hft.conf")
    play("host_audit", "drift")
    drifted = [one["name"] for one in _knobs() if one["status"] == "drifted" and one["name"] != "clock offset"]
    assert drifted == ["hft_user - nofile"]


def test_undo_gives_the_host_back(converged: playbook.Run, play: Play, shell: Shell) -> None:
    play("host_undo", "undo")
    assert shell(_HOST, "find /etc -name '*hft*' ! -name '*hft_user*' -type f").split() == []
    assert shell(_HOST, "systemctl is-enabled apt-daily.timer").strip() == "enabled"
    assert play("host_undo", "undo_again").changes == []
