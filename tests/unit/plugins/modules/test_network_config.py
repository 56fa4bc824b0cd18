# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.network_config import apply

_ETH0, _ETH1 = "/etc/systemd/network/60-eth0.network", "/etc/systemd/network/61-eth1.network"
_SCRIPT = "var/lib/hft_ops/network_return/return.sh"
_TAKEN_UP = "var/lib/hft_ops/network_return/taken_up"
# The module below its shell, its SSH connection and the one process that listens for all of them: number, name, parent, began.
_OVER_SSH = [(900, "python3", 890, 5010), (890, "sh", 880, 5009), (880, "sshd-session", 870, 5005), (870, "sshd-session", 100, 5000),
             (100, "sshd", 1, 40), (1, "systemd", 0, 1)]


class Manager:
    """systemd's part: which timers run, and what was started."""

    def __init__(self) -> None:
        self.timers: set[str] = set()
        self.calls: list[list[str]] = []
        self.refuses = ""

    def __call__(self, argv: list) -> tuple:
        self.calls.append(argv)
        if argv[:2] == ["systemctl", "show"]:
            state = "active" if "hft-network-return" in self.timers else "inactive"
            return 0, f"Id={argv[-1]}\nLoadState=loaded\nActiveState={state}\n", ""
        if argv[0] == "systemd-run":
            name = argv[1].partition("=")[2]
            if name == self.refuses:
                return 1, "", "Failed to start transient timer unit"
            self.timers.add(name)
        if argv[:2] == ["systemctl", "--no-ask-password"]:
            self.timers.discard(argv[-1].removesuffix(".timer"))
        return 0, "", ""


def _run(root: Path, manager: Manager, check_mode: bool = False, **given: object) -> tuple[bool, Plan]:
    plan = Plan(check_mode)
    defaults = {"state": "applied", "files": {_ETH0: "new\n", _ETH1: None}, "apply": [["networkctl", "reload"]], "mode": "0644",
                "return_after_s": 60, "apply_after_s": 2}
    return apply({**defaults, **given}, Host(root), manager, plan), plan


def _stat(number: int, name: str, parent: int, began: int) -> str:
    return f"{number} ({name}) S {parent} " + "0 " * 17 + f"{began} 0 0\n"


def _runs(root: Path, processes: list[tuple[int, str, int, int]]) -> None:
    """The tree tells that the module runs as the first of these."""
    for number, *rest in processes:
        (root / f"proc/{number}").mkdir(parents=True, exist_ok=True)
        (root / f"proc/{number}/stat").write_text(_stat(number, *rest))
    (root / "proc/self").symlink_to(str(processes[0][0]))


def _taken_up(root: Path, began: int) -> None:
    (root / _TAKEN_UP).write_text(_stat(800, "cat", 799, began))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/systemd/network").mkdir(parents=True)
    (tmp_path / _ETH0[1:]).write_text("old\n")
    (tmp_path / _ETH1[1:]).write_text("gone\n")
    return tmp_path


def test_the_way_back_is_armed_before_the_first_file_changes(root: Path) -> None:
    manager = Manager()
    returns, plan = _run(root, manager)
    assert returns
    assert plan.changed
    started = [argv for argv in manager.calls if argv[0] == "systemd-run"]
    assert [(argv[1], argv[2]) for argv in started] == [
        ("--unit=hft-network-return", "--on-active=62s"), ("--unit=hft-network-apply", "--on-active=2s")]
    assert (root / _ETH0[1:]).read_text() == "new\n"
    assert not (root / _ETH1[1:]).exists()


def test_the_script_brings_the_old_files_back(root: Path) -> None:
    _run(root, Manager(), files={_ETH0: "new\n", _ETH1: None, "/etc/systemd/network/62-made.network": "made\n"}, apply=[["true"]])
    here = (root / _SCRIPT).read_text().replace("/var/lib", f"{root}/var/lib").replace("/etc/systemd", f"{root}/etc/systemd")
    subprocess.run(["sh", "-c", here.replace("logger", "true")], check=True)
    assert (root / _ETH0[1:]).read_text() == "old\n"
    assert (root / _ETH1[1:]).read_text() == "gone\n"
    assert not (root / "etc/systemd/network/62-made.network").exists()


def test_confirming_stops_the_way_back_and_tells_no_change_of_its_own(root: Path) -> None:
    manager = Manager()
    _run(root, manager)
    _taken_up(root, 4999)
    _runs(root, _OVER_SSH)
    returns, plan = _run(root, manager, state="confirmed")
    assert (returns, plan.changed) == (False, False)
    assert manager.timers == {"hft-network-apply"}
    assert not _run(root, manager)[1].changed


def test_confirming_too_late_is_an_error(root: Path) -> None:
    """The timer has brought the old files back; a success would say that the new ones stay."""
    manager = Manager()
    _run(root, manager)
    manager.timers.clear()
    with pytest.raises(HostError, match="no change waits for it; where one did, this came too late and the old network is back"):
        _run(root, manager, state="confirmed")
    assert _run(root, manager, state="confirmed", check_mode=True)[0] is False


@pytest.mark.parametrize("began", [5000, 5001], ids=["in the same tick", "before"])
def test_a_connection_that_is_older_than_the_change_confirms_nothing(root: Path, began: int) -> None:
    manager = Manager()
    _run(root, manager)
    _taken_up(root, began)
    _runs(root, _OVER_SSH)
    with pytest.raises(HostError, match="this connection is older than the change, which proves nothing"):
        _run(root, manager, state="confirmed")
    assert "hft-network-return" in manager.timers


def test_a_change_that_was_not_taken_up_is_not_confirmed(root: Path) -> None:
    """Nor does the mark of an earlier change count."""
    manager = Manager()
    (root / _TAKEN_UP).parent.mkdir(parents=True)
    _taken_up(root, 3)
    _run(root, manager)
    _runs(root, _OVER_SSH)
    with pytest.raises(HostError, match="the change is not taken up"):
        _run(root, manager, state="confirmed")
    assert "hft-network-return" in manager.timers


def test_without_ssh_there_is_no_connection_to_ask_for(root: Path) -> None:
    manager = Manager()
    _run(root, manager)
    _taken_up(root, 6000)
    _runs(root, [(900, "python3", 890, 10), (890, "a) name (", 0, 9)])
    assert _run(root, manager, state="confirmed")[0] is False
    assert "hft-network-return" not in manager.timers


def test_check_mode_writes_and_starts_nothing(root: Path) -> None:
    manager = Manager()
    assert _run(root, manager, check_mode=True)[1].changed
    assert manager.timers == set()
    assert (root / _ETH0[1:]).read_text() == "old\n"
    assert not (root / _SCRIPT).exists()


def test_without_a_way_back_nothing_is_changed(root: Path) -> None:
    manager = Manager()
    manager.refuses = "hft-network-return"
    with pytest.raises(HostError, match="hft-network-return: Failed to start transient timer unit; the network is as it was"):
        _run(root, manager)
    assert (root / _ETH0[1:]).read_text() == "old\n"


def test_a_change_that_cannot_be_taken_up_is_undone_and_its_way_back_is_stopped(root: Path) -> None:
    manager = Manager()
    manager.refuses = "hft-network-apply"
    with pytest.raises(HostError, match="hft-network-apply"):
        _run(root, manager)
    assert (root / _ETH0[1:]).read_text() == "old\n"
    assert (root / _ETH1[1:]).read_text() == "gone\n"
    assert manager.timers == set()


def test_another_change_waits_for_the_first(root: Path) -> None:
    manager = Manager()
    _run(root, manager)
    with pytest.raises(HostError, match="another change waits for its confirmation"):
        _run(root, manager, files={_ETH0: "newer\n"})
    assert (root / _ETH0[1:]).read_text() == "new\n"


def test_bad_input_is_refused_as_a_whole(root: Path) -> None:
    said = (r"eth0: expected an absolute path below /etc; files: /etc/n: expected its content.*; apply: expected one.*; "
            r"mode 9: expected octal.*; return_after_s 5: expected 10 to 3600")
    with pytest.raises(HostError, match=said):
        _run(root, Manager(), files={"eth0": "", "/etc/n": 5}, apply=[], mode="9", return_after_s=5)
