# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.modules.host_requirements import compare

_NONE = dict.fromkeys(("cpus", "cpu_models", "memory_gib", "nvme_gib", "raid_levels", "nic_speed_mbps", "nic_firmware", "microcode",
                       "kernel"))
_FILES = {
    "sys/devices/system/cpu/online": "0-31\n",
    "proc/cpuinfo": "model name\t: AMD EPYC 7543\nmicrocode\t: 0xa0011d1\n\nmodel name\t: AMD EPYC 7543\nmicrocode\t: 0xa0011d1\n",
    "proc/meminfo": "MemTotal:       131846564 kB\nMemFree: 1 kB\n",
    "sys/block/nvme0n1/size": "3907029168\n",
    "sys/block/nvme1n1/size": "3907029168\n",
    "sys/block/md0/md/level": "raid1\n",
    "sys/block/md0/md/degraded": "0\n",
    "sys/class/net/lo/speed": "\n",
    "sys/class/net/ens1/device/vendor": "0x8086\n",
    "sys/class/net/ens1/speed": "10000\n",
    "proc/sys/kernel/osrelease": "6.12.107+deb13-rt-amd64\n",
}
_RUNBOOK = {"cpus": 32, "cpu_models": ["Xeon(R) Gold", "EPYC"], "memory_gib": 125.0, "nvme_gib": 3000.0, "raid_levels": ["raid1"],
            "nic_speed_mbps": 10000, "microcode": "0xa0011d1", "kernel": "5.15"}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for path, content in _FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def _ethtool(argv: list) -> tuple:
    if argv[-1] != "ens1":
        return 71, "", "Cannot get driver information: No such device"
    return 0, "driver: ice\nfirmware-version: 4.40 0x8001ba03\n", ""


def _compared(machine: Path, **wanted: object) -> dict:
    return {item.name: item for item in compare({**_NONE, **wanted}, Host(machine), _ethtool)}


def test_the_runbook_s_machine_meets_every_demand(machine: Path) -> None:
    found = _compared(machine, **_RUNBOOK, nic_firmware={"ens1": ["4.40 0x8001ba03"]})
    assert {name: item.status for name, item in found.items()} == dict.fromkeys([*_RUNBOOK, "nic_firmware ens1"], "applied")


def test_what_is_not_demanded_is_not_looked_at(tmp_path: Path) -> None:
    assert _compared(tmp_path) == {}


@pytest.mark.parametrize(("demand", "says"), [
    ({"cpus": 64}, "wanted at least 64, this host has 32"),
    ({"cpu_models": ["Xeon(R) Gold"]}, "this host has AMD EPYC 7543"),
    ({"memory_gib": 256.0}, "wanted at least 256 GiB, this host has 125.7 GiB"),
    ({"nvme_gib": 4000.0}, "this host has 3726 GiB"),
    ({"raid_levels": ["raid10"]}, "this host has md0 raid1"),
    ({"nic_speed_mbps": 25000}, "this host has 10000 Mbit/s"),
    ({"nic_firmware": {"ens1": "4.50"}}, "this host has 4.40 0x8001ba03"),
    ({"microcode": "0xa0011d2"}, "wanted at least 0xa0011d2, this host has 0xa0011d1"),
    ({"kernel": "6.13"}, "this host has 6.12.107+deb13-rt-amd64"),
])
def test_each_unmet_demand_names_what_this_host_has(machine: Path, demand: dict, says: str) -> None:
    item, = _compared(machine, **demand).values()
    assert item.status == "drifted"
    assert says in item.reason


def test_a_degraded_array_is_unmet(machine: Path) -> None:
    (machine / "sys/block/md0/md/degraded").write_text("1\n")
    assert "md0 raid1 (degraded)" in _compared(machine, raid_levels=["raid1"])["raid_levels"].reason


def test_what_a_host_cannot_tell_is_not_applicable_with_the_path(tmp_path: Path) -> None:
    found = _compared(tmp_path, nic_speed_mbps=1000, microcode="0x1", nic_firmware={"ens9": ["1"]})
    assert {item.status for item in found.values()} == {"not_applicable"}
    assert "/sys/class/net/*/speed" in found["nic_speed_mbps"].reason
    assert "No such device" in found["nic_firmware ens9"].reason


def test_demands_that_make_no_sense_are_refused_together(machine: Path) -> None:
    with pytest.raises(HostError, match=r"cpus 0: expected more than 0; microcode 12: .* revision.*; kernel new: expected a release"):
        _compared(machine, cpus=0, microcode="12", kernel="new")
