# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _capacity
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

_UNIT = "postgresql@17-main.service"
_SLICE = "system-postgresql.slice"
_GIB = 1 << 30


@pytest.fixture
def host(captured):
    """Four CPUs, one of them isolated, and 16 GiB."""
    found = captured("debian_13")
    for path, text in {"/proc/meminfo": "MemTotal:       16777216 kB\nHugetlb:        0 kB\n", "/sys/devices/system/cpu/present": "0-3\n",
                       "/sys/devices/system/cpu/isolated": "3\n", "/proc/1/status": "Name:\tsystemd\nCpus_allowed_list:\t0-3\n"}.items():
        found.write(path, text)
    return found


@pytest.fixture
def chain(systemd):
    """The units of the cluster, with what each of them limits."""

    def made(**limits: dict[str, str]) -> list:
        systemd.add(_UNIT, Slice=_SLICE, **limits.get("unit", {}))
        systemd.add(_SLICE, **limits.get("slice", {}))
        for name in ("system.slice", "-.slice"):
            systemd.add(name, MemoryMax="infinity", CPUQuotaPerSecUSec="infinity", AllowedCPUs="")
        return _capacity.chain(Systemctl(systemd), _UNIT, _SLICE)

    return made


def test_a_slice_lies_in_those_that_its_name_says() -> None:
    assert _capacity.slices("system-postgresql.slice") == ["system-postgresql.slice", "system.slice", "-.slice"]
    assert _capacity.slices("-.slice") == ["-.slice"]


def test_a_unit_that_is_not_installed_is_expected_in_its_slice(systemd) -> None:
    systemd.add(_SLICE, MemoryMax=str(2 * _GIB))
    units = _capacity.chain(Systemctl(systemd), _UNIT, _SLICE)
    assert [unit.name for unit in units] == [_UNIT, _SLICE, "system.slice", "-.slice"]


def test_the_lowest_limit_counts_wherever_it_stands(host, chain) -> None:
    units = chain(unit={"MemoryMax": str(4 * _GIB)}, slice={"MemoryMax": str(2 * _GIB)})
    assert _capacity.memory(host, units) == _capacity.Memory(2048, _SLICE)
    host.write("/sys/fs/cgroup/memory.max", f"{_GIB}\n")
    assert _capacity.memory(host, units) == _capacity.Memory(1024, "the control group of this host")


def test_without_a_limit_there_is_no_figure(host, chain) -> None:
    host.write("/sys/fs/cgroup/memory.max", "max\n")
    assert _capacity.memory(host, chain()) == _capacity.Memory(0, "")


def test_a_limit_above_what_huge_pages_leave_is_not_believed(host, chain) -> None:
    host.write("/proc/meminfo", "MemTotal:       16777216 kB\nHugetlb:        8388608 kB\n")
    assert _capacity.memory(host, chain(unit={"MemoryMax": str(64 * _GIB)})).mb == 8192


def test_isolated_cpus_are_nobodys(host, chain) -> None:
    assert _capacity.cpus(host, chain()) == _capacity.Cpus((0, 1, 2), 3)


@pytest.mark.parametrize(("limits", "numbers", "count"), [
    ({"unit": {"CPUAffinity": "1-3"}}, (1, 2), 2),
    ({"slice": {"AllowedCPUs": "0 2"}}, (0, 2), 2),
    ({"slice": {"CPUQuotaPerSecUSec": "1.500000s"}}, (0, 1, 2), 1),
    ({"unit": {"CPUQuotaPerSecUSec": "500ms"}}, (0, 1, 2), 1),
])
def test_what_a_unit_takes_away_is_away(host, chain, limits: dict, numbers: tuple, count: int) -> None:
    assert _capacity.cpus(host, chain(**limits)) == _capacity.Cpus(numbers, count)


def test_a_container_has_its_own_set_and_quota(host, chain) -> None:
    host.write("/sys/fs/cgroup/cpuset.cpus.effective", "0-1\n")
    host.write("/sys/fs/cgroup/cpu.max", "150000 100000\n")
    assert _capacity.cpus(host, chain()) == _capacity.Cpus((0, 1), 1)


def test_isolated_cpus_alone_are_refused(host, chain) -> None:
    with pytest.raises(HostError, match=r"postgresql@17-main\.service: no CPU is left for it"):
        _capacity.cpus(host, chain(unit={"CPUAffinity": "3"}))


def test_lists_and_times_are_read_as_systemd_and_the_kernel_write_them() -> None:
    assert _capacity.numbers("0-2,8 10-11\n") == {0, 1, 2, 8, 10, 11}
    assert _capacity.shown([0, 1, 2, 8, 10, 11]) == "0-2,8,10-11"
    assert _capacity.seconds("1min 2.500000s") == 62.5


def test_the_disk_of_a_directory_to_come_is_that_of_its_nearest_parent(host) -> None:
    assert _capacity.disk(host, "/srv/wal/17-main") == _capacity.disk(host, "/")
