#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_topology
short_description: CPUs, NUMA nodes, network cards, clock source and knobs of a host
version_added: 0.1.0
description:
  - Tells what a plan of CPUs needs to know, from sysfs and from the build options of the kernel. Changes nothing.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes.information
options:
  kernel_release:
    description:
      - The kernel whose build options are looked up, for example the one that boots next; the running one when not given.
      - They are read from C(/boot/config-RELEASE), C(/lib/modules/RELEASE/config) or, of the running kernel, C(/proc/config.gz).
    type: str
seealso:
  - module: hft.ops.cpu_plan
"""

EXAMPLES = r"""
- name: What this host is made of
  hft.ops.host_topology:
  register: topology
"""

RETURN = r"""
cpus:
  description: CPU lists in the kernel's form.
  returned: success
  type: dict
  contains:
    present: {description: CPUs that the host has., type: str}
    online: {description: CPUs that run., type: str}
    isolated: {description: 'CPUs without load balancing, null when this kernel cannot isolate.', type: str}
    nohz_full: {description: 'CPUs without a tick, null when this kernel has no C(NO_HZ_FULL).', type: str}
cores:
  description: Every core as the CPU list of its threads.
  returned: success
  type: list
  elements: str
threads_per_core:
  description: The most threads that a core has; 1 without SMT.
  returned: success
  type: int
sockets:
  description: Every socket with its CPUs.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Number of the socket., type: int}
    cpus: {description: Its CPU list., type: str}
nodes:
  description: Every NUMA node with its CPUs and memory.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Number of the node., type: int}
    cpus: {description: 'Its CPU list, empty for memory without CPUs.', type: str}
    memory_bytes: {description: Its memory in bytes., type: int}
nics:
  description: Every network card with hardware behind it.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the interface., type: str}
    node: {description: 'Its NUMA node, null where the firmware names none.', type: int}
    driver: {description: Its driver., type: str}
    up: {description: Whether it has a link., type: bool}
clocksource:
  description: The clock that the kernel uses, and those it could use.
  returned: success
  type: dict
  contains:
    current: {description: 'For example C(tsc); null when the kernel does not tell.', type: str}
    available: {description: Those it could use., type: list, elements: str}
virtualization:
  description: What C(systemd-detect-virt) says, for example C(none), C(kvm), C(qemu) or C(docker); C(unknown) without it.
  returned: success
  type: str
kernel:
  description: The kernel that was looked at.
  returned: success
  type: dict
  contains:
    release: {description: Its release., type: str}
    realtime: {description: 'Whether it is PREEMPT_RT, null when its options cannot be read.', type: bool}
    config: {description: 'Where its build options were read, null when nowhere.', type: str}
knobs:
  description: Which knobs there are. Build options are those of O(kernel_release), paths those of the running kernel.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: 'The knob, for example C(nohz_full).', type: str}
    available: {description: 'Whether it is there, null when the build options cannot be read.', type: bool}
    reason: {description: The option or path that is missing., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_config import KernelConfig
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand
from ansible_collections.hft.ops.plugins.module_utils._topology import Topology, listed

_CPU = "/sys/devices/system/cpu"
# What the kernel was built with decides about arguments of its command line, a path about what can be set while it runs.
_BY_OPTION = {
    "isolcpus": "CPU_ISOLATION", "nohz_full": "NO_HZ_FULL", "rcu_nocbs": "RCU_NOCB_CPU", "preempt_rt": "PREEMPT_RT",
    "hwlat_tracer": "HWLAT_TRACER", "osnoise_tracer": "OSNOISE_TRACER", "timerlat_tracer": "TIMERLAT_TRACER",
}
_BY_PATH = {
    "cpufreq": f"{_CPU}/cpufreq/policy0", "cpuidle": f"{_CPU}/cpu0/cpuidle", "smt": f"{_CPU}/smt/control",
    "cpu_dma_latency": "/dev/cpu_dma_latency", "hugepages_2M": "/sys/kernel/mm/hugepages/hugepages-2048kB",
    "hugepages_1G": "/sys/kernel/mm/hugepages/hugepages-1048576kB", "transparent_hugepage": "/sys/kernel/mm/transparent_hugepage",
    "numa_balancing": "/proc/sys/kernel/numa_balancing", "busy_poll": "/proc/sys/net/core/busy_poll",
    "irq_affinity": "/proc/irq/default_smp_affinity", "workqueue_cpumask": "/sys/devices/virtual/workqueue/cpumask",
}


def main() -> None:
    module = AnsibleModule(argument_spec={"kernel_release": {"type": "str"}}, supports_check_mode=True)
    try:
        result = topology(Host(), module.run_command, module.params["kernel_release"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, **result)


def topology(host: Host, run_command: RunCommand, kernel_release: str | None = None) -> dict[str, Any]:
    """The module's own result keys."""
    found = Topology(host)
    config = KernelConfig(host, kernel_release)
    if kernel_release and config.path is None:
        raise HostError(f"kernel_release {kernel_release}: /boot/config-{kernel_release} does not exist; "
                        "install that kernel first, or correct the release")
    return {
        "cpus": {
            "present": cpu_list(found.present), "online": cpu_list(found.online),
            "isolated": _shown(host, f"{_CPU}/isolated"), "nohz_full": _shown(host, f"{_CPU}/nohz_full"),
        },
        "cores": [cpu_list(core) for core in found.cores],
        "threads_per_core": max(len(core) for core in found.cores),
        "sockets": [{"id": number, "cpus": cpu_list(cpus)} for number, cpus in sorted(found.sockets.items())],
        "nodes": [{"id": number, "cpus": cpu_list(node.cpus), "memory_bytes": node.memory_bytes} for number, node in found.nodes.items()],
        "nics": [{"name": name, **vars(nic)} for name, nic in found.nics.items()],
        "clocksource": _clocksource(host),
        "virtualization": _virtualization(run_command),
        "kernel": {"release": config.release, "realtime": None if config.path is None else config["PREEMPT_RT"] == "y",
                   "config": config.path},
        "knobs": _knobs(host, config),
    }


def _shown(host: Host, path: str) -> str | None:
    cpus = listed(host, path)
    return None if cpus is None else cpu_list(cpus)


def _clocksource(host: Host) -> dict[str, Any]:
    folder = "/sys/devices/system/clocksource/clocksource0"
    current = host.read(f"{folder}/current_clocksource")
    return {"current": current.strip() if current else None, "available": (host.read(f"{folder}/available_clocksource") or "").split()}


def _virtualization(run_command: RunCommand) -> str:
    try:
        # Exit status 1 is its answer "none".
        return run_command(["systemd-detect-virt"])[1].strip() or "unknown"
    except OSError:
        return "unknown"


def _knobs(host: Host, config: KernelConfig) -> list[dict[str, Any]]:
    knobs = []
    for name, option in _BY_OPTION.items():
        reason = config.missing(option)
        if config.path is None:
            knobs.append({"name": name, "available": None, "reason": f"the build options of {config.release} cannot be read"})
        else:
            knobs.append({"name": name, "available": reason is None, "reason": reason or ""})
    for name, path in _BY_PATH.items():
        there = host.path(path).exists()
        knobs.append({"name": name, "available": there, "reason": "" if there else f"ENOENT: {path}"})
    return sorted(knobs, key=lambda knob: knob["name"])


if __name__ == "__main__":
    main()
