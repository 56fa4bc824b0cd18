# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for unit tests: trees captured from real ones, and a service manager that keeps units in memory."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.hft.ops.plugins.module_utils._host import Host

_TREES = Path(__file__).parent / "plugins" / "trees"


class CapturedHost(Host):
    """A captured tree with the parts of its kernel that files on disk do not have.

    read_only: /proc/sys is mounted read-only; refuses: value that the kernel answers with an error number, by path below /proc/sys;
    clamps: value that it takes as another one, by path.
    """

    def __init__(self, root: Path, read_only: bool) -> None:
        super().__init__(root)
        self.read_only = read_only
        self.refuses: dict[tuple[str, str], int] = {}
        self.clamps: dict[tuple[str, str], str] = {}
        self.poked: list[tuple[str, str]] = []

    def refusal(self, path: str) -> str | None:
        if self.read_only and path.startswith("/proc/sys/"):
            return f"EROFS: {os.strerror(errno.EROFS)}"
        return super().refusal(path)

    def poke(self, path: str, value: str) -> None:
        name = path.removeprefix("/proc/sys/")
        if (name, value) in self.refuses:
            number = self.refuses[name, value]
            raise OSError(number, os.strerror(number))
        self.poked.append((name, value))
        super().poke(path, self.clamps.get((name, value), value))

    def everything(self) -> dict[str, tuple[int, str]]:
        """Mode and content of every file, to hold two states of the host against each other."""
        return {
            str(path.relative_to(self.root)): (path.stat().st_mode, path.read_text())
            for path in sorted(self.root.rglob("*")) if path.is_file()
        }

    def write(self, path: str, content: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(content)


@pytest.fixture
def captured(tmp_path):
    """captured("debian_13"): a fresh copy of that host."""

    def unpack(name: str) -> CapturedHost:
        tree = yaml.safe_load((_TREES / f"{name}.yml").read_text())
        host = CapturedHost(tmp_path / name, tree["read_only_proc_sys"])
        for path, file in tree["files"].items():
            host.write(path, file["content"])
            host.path(path).chmod(int(file["mode"], 8))
        return host

    return unpack


@pytest.fixture
def numa_host(tmp_path):
    """Four CPUs with SMT siblings on two NUMA nodes of 2 GiB, a card at node 1; the kernel tells what it was built with."""
    host = CapturedHost(tmp_path / "numa", read_only=False)
    cpu, node = "/sys/devices/system/cpu", "/sys/devices/system/node"
    for name, text in {"present": "0-3", "online": "0-3", "possible": "0-3", "isolated": "", "nohz_full": "(null)"}.items():
        host.write(f"{cpu}/{name}", text + "\n")
    for number in range(4):
        first = number - number % 2
        host.write(f"{cpu}/cpu{number}/topology/core_cpus_list", f"{first}-{first + 1}\n")
        host.write(f"{cpu}/cpu{number}/topology/physical_package_id", f"{number // 2}\n")
    for number in range(2):
        host.write(f"{node}/node{number}/cpulist", f"{2 * number}-{2 * number + 1}\n")
        host.write(f"{node}/node{number}/meminfo", f"Node {number} MemTotal:  2097152 kB\nNode {number} MemFree:  1835008 kB\n")
        for size in (2048, 1048576):
            host.write(f"{node}/node{number}/hugepages/hugepages-{size}kB/nr_hugepages", "0\n")
            host.write(f"{node}/node{number}/hugepages/hugepages-{size}kB/free_hugepages", "0\n")
    for size in (2048, 1048576):
        host.write(f"/sys/kernel/mm/hugepages/hugepages-{size}kB/nr_hugepages", "0\n")
    for nic, at in {"eth0": "-1", "eth1": "1"}.items():
        host.write(f"/sys/class/net/{nic}/device/numa_node", f"{at}\n")
        host.write(f"/sys/class/net/{nic}/operstate", "up\n")
    host.write("/sys/class/net/lo/operstate", "unknown\n")
    host.write("/proc/meminfo", "MemTotal:  4194304 kB\nMemAvailable:  3670016 kB\n")
    host.write("/proc/sys/kernel/osrelease", "6.12.48+deb13-amd64\n")
    host.write("/boot/config-6.12.48+deb13-amd64",
               "CONFIG_CPU_ISOLATION=y\nCONFIG_NO_HZ_FULL=y\nCONFIG_RCU_NOCB_CPU=y\nCONFIG_HUGETLBFS=y\n# CONFIG_PREEMPT_RT is not set\n")
    return host


class FakeSystemd:
    """systemctl over units in memory; it stands where `module.run_command` does."""

    def __init__(self) -> None:
        self.units: dict[str, dict[str, str]] = {}
        self.failing: set[str] = set()
        self.unmet: set[str] = set()
        self.calls: list[tuple[str, ...]] = []
        self.unread: list[str] = []

    def add(self, name: str, enablement: str = "enabled", active: str = "active", **more: str) -> None:
        self.units[name] = {"LoadState": "masked" if enablement == "masked" else "loaded", "UnitFileState": enablement,
                            "ActiveState": active, "NeedDaemonReload": "no", **more}
        if active == "active":
            self._start(name)

    def writes(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] != "show"]

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "systemd-analyze":
            unit = argv[2].removeprefix("--unit=")
            return (1, f"{unit}: ConditionPathExists=/x failed.\n", "") if unit in self.unmet else (0, "", "")
        words = [word for word in argv[1:] if not word.startswith("--")]
        verb, names = words[0], words[1:]
        self.calls.append((verb, *names))
        if "--no-reload" in argv:
            self.unread.append(verb)
        if verb == "show":
            return 0, "\n\n".join(self._show(name) for name in names) + "\n", ""
        if verb == "daemon-reload":
            for unit in self.units.values():
                unit["NeedDaemonReload"] = "no"
            return 0, "", ""
        results = [getattr(self, "_" + verb.replace("-", "_"))(name) for name in names]
        return (0, "", "") if all(results) else (1, "", "Job failed.\n")

    def _show(self, name: str) -> str:
        absent = {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": "", "NeedDaemonReload": "no"}
        return "\n".join(f"{key}={value}" for key, value in self.units.get(name, absent).items())

    def _start(self, name: str) -> bool:
        unit = self.units[name]
        if name in self.unmet:
            unit.update(ConditionResult="no", ConditionTimestampMonotonic="1")
            return True
        good = name not in self.failing
        now = str(int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6))
        unit.update(ActiveState="active" if good else "failed", Result="success" if good else "exit-code",
                    ExecMainStatus="0" if good else "214", InactiveExitTimestampMonotonic=now)
        return good

    _restart = _reload = _start

    def _reset_failed(self, name: str) -> bool:
        return name in self.units

    def _stop(self, name: str) -> bool:
        self.units[name]["ActiveState"] = "inactive"
        return True

    def _enable(self, name: str) -> bool:
        self.units[name]["UnitFileState"] = "enabled"
        return True

    def _disable(self, name: str) -> bool:
        self.units[name]["UnitFileState"] = "disabled"
        return True

    def _mask(self, name: str) -> bool:
        self.units[name].update(UnitFileState="masked", LoadState="masked")
        return True

    def _unmask(self, name: str) -> bool:
        self.units[name].update(UnitFileState="disabled", LoadState="loaded")
        return True


@pytest.fixture
def systemd() -> FakeSystemd:
    return FakeSystemd()
