# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.host_topology import topology


def _detect_virt(argv):
    return 0, "qemu\n", ""


def _knob(result, name):
    return next(knob for knob in result["knobs"] if knob["name"] == name)


def test_what_the_host_is_made_of(numa_host):
    before = numa_host.everything()
    found = topology(numa_host, _detect_virt)
    assert found["cpus"] == {"present": "0-3", "online": "0-3", "isolated": "", "nohz_full": ""}
    assert found["cores"] == ["0-1", "2-3"]
    assert found["threads_per_core"] == 2
    assert found["sockets"] == [{"id": 0, "cpus": "0-1"}, {"id": 1, "cpus": "2-3"}]
    assert found["nodes"] == [{"id": 0, "cpus": "0-1", "memory_bytes": 2 << 30}, {"id": 1, "cpus": "2-3", "memory_bytes": 2 << 30}]
    assert [(nic["name"], nic["node"]) for nic in found["nics"]] == [("eth0", None), ("eth1", 1)]
    assert found["virtualization"] == "qemu"
    assert found["kernel"] == {"release": "6.12.48+deb13-amd64", "realtime": False, "config": "/boot/config-6.12.48+deb13-amd64"}
    assert numa_host.everything() == before


def test_a_knob_that_the_kernel_lacks_names_the_option_or_the_path(numa_host):
    numa_host.write("/boot/config-6.12.48+deb13-amd64", "CONFIG_RCU_NOCB_CPU=y\n# CONFIG_NO_HZ_FULL is not set\n")
    found = topology(numa_host, _detect_virt)
    assert _knob(found, "rcu_nocbs") == {"name": "rcu_nocbs", "available": True, "reason": ""}
    assert _knob(found, "nohz_full") == {
        "name": "nohz_full", "available": False, "reason": "CONFIG_NO_HZ_FULL is not set in /boot/config-6.12.48+deb13-amd64"}
    assert _knob(found, "cpufreq")["reason"] == "ENOENT: /sys/devices/system/cpu/cpufreq/policy0"


def test_build_options_are_those_of_the_kernel_asked_for(numa_host):
    numa_host.write("/boot/config-6.12.48+deb13-rt-amd64", "CONFIG_PREEMPT_RT=y\n")
    assert topology(numa_host, _detect_virt, "6.12.48+deb13-rt-amd64")["kernel"]["realtime"] is True
    with pytest.raises(HostError, match=r"kernel_release 5\.1: /boot/config-5\.1 does not exist; install that kernel first"):
        topology(numa_host, _detect_virt, "5.1")


def test_options_come_from_proc_where_boot_has_none(numa_host):
    numa_host.path("/boot/config-6.12.48+deb13-amd64").unlink()
    assert _knob(topology(numa_host, _detect_virt), "nohz_full")["available"] is None
    numa_host.path("/proc/config.gz").write_bytes(gzip.compress(b"CONFIG_NO_HZ_FULL=y\n"))
    found = topology(numa_host, _detect_virt)
    assert found["kernel"]["config"] == "/proc/config.gz"
    assert _knob(found, "nohz_full")["available"] is True


def test_a_host_without_sysfs_is_an_error_that_says_what_to_do(tmp_path, captured):
    with pytest.raises(HostError, match="mount sysfs on /sys"):
        topology(captured("debian_13"), _detect_virt)
