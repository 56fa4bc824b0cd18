# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.cpu_plan import planned

_NOTHING = {"isolated": None, "count": None, "nic": None, "node": None, "housekeeping_min": 1, "split_siblings": False}


def _planned(host, **wish):
    return planned({**_NOTHING, **wish}, host)


@pytest.fixture
def wide_host(numa_host):
    """Sixteen CPUs as servers number them: the second threads come after all first ones; two nodes."""
    for name in ("present", "online"):
        numa_host.write(f"/sys/devices/system/cpu/{name}", "0-15\n")
    for cpu in range(16):
        numa_host.write(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list", f"{cpu % 8},{cpu % 8 + 8}\n")
    numa_host.write("/sys/devices/system/node/node0/cpulist", "0-3,8-11\n")
    numa_host.write("/sys/devices/system/node/node1/cpulist", "4-7,12-15\n")
    return numa_host


def test_by_rule_whole_cores_at_the_node_of_the_card(wide_host):
    found = _planned(wide_host, count=4, nic="eth1")
    assert (found["isolated"], found["housekeeping"]) == ("6-7,14-15", "0-5,8-13")
    assert found["nodes"] == [
        {"id": 0, "isolated": "", "housekeeping": "0-3,8-11"}, {"id": 1, "isolated": "6-7,14-15", "housekeeping": "4-5,12-13"}]
    assert _planned(wide_host, count=6, node=0)["isolated"] == "1-3,9-11"
    assert _planned(wide_host, count=14)["housekeeping"] == "0,8"
    assert _planned(wide_host, count=3, split_siblings=True)["isolated"] == "7,14-15"


@pytest.mark.parametrize("wish", [{"count": 0}, {"isolated": ""}])
def test_none_is_a_plan_too(numa_host, wish):
    assert _planned(numa_host, **wish)["isolated"] == ""
    assert _planned(numa_host, **wish)["housekeeping"] == "0-3"


@pytest.mark.parametrize(("isolated", "shown"), [("2-3", "2-3"), ("3,2", "2-3"), ("2-N", "2-3")])
def test_a_list_is_taken_as_a_set(numa_host, isolated, shown):
    assert _planned(numa_host, isolated=isolated)["isolated"] == shown


@pytest.mark.parametrize(("wish", "says"), [
    ({"isolated": "0-1"}, "CPU 0: cannot be isolated, the kernel's own work runs there"),
    ({"isolated": "2-7"}, "CPU 4-7: not present; this host has 0-3"),
    ({"isolated": "3-2"}, "isolated: 3-2 in '3-2': the range is reversed; write 2-3"),
    ({"isolated": "two"}, "expected a CPU list such as 2-5,8"),
    ({"isolated": "0-3"}, "no CPU would be left for housekeeping, of 0-3"),
    ({"isolated": "2-3", "housekeeping_min": 3}, r"only 0-1 would be left for housekeeping, of 0-3; isolate fewer \(at least 3"),
    ({"isolated": "3"}, "splits the threads of a core, so housekeeping disturbs what is isolated: CPU 3 of the core 2-3"),
    ({"count": 1}, "cores of this host have 2 threads, which are not split; ask for 0 or 2, or set split_siblings"),
    ({"count": 4}, r"count 4: this host has 4 CPUs, of which 2 can be isolated \(2-3; the core of CPU 0 never is\); ask for at most 2"),
    ({"count": 2, "node": 0}, "count 2: node 0 has 2 CPUs, of which 0 can be isolated"),
    ({"count": 2, "node": 7}, "node 7: this host has the nodes 0, 1"),
    ({"count": 2, "nic": "eth9"}, "nic eth9: this host has no such network card; it has eth0, eth1"),
    ({"count": 2, "nic": "eth0"}, "nic eth0: the firmware does not say at which node it is; give node instead of nic"),
    ({"count": -2}, "count -2: expected the number of CPUs to isolate"),
])
def test_a_plan_that_cannot_work_is_refused_with_the_reason(numa_host, wish, says):
    before = numa_host.everything()
    with pytest.raises(HostError, match=says):
        _planned(numa_host, **wish)
    assert numa_host.everything() == before


def test_a_cpu_that_is_offline_is_no_cpu_to_isolate(numa_host):
    numa_host.write("/sys/devices/system/cpu/online", "0-2\n")
    numa_host.write("/sys/devices/system/cpu/cpu2/topology/core_cpus_list", "2\n")
    with pytest.raises(HostError, match="CPU 3: is offline; bring it online first"):
        _planned(numa_host, isolated="2-3")
    assert _planned(numa_host, count=1)["isolated"] == "2"
