#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_requirements
short_description: Hold the hardware and the kernel of a host against what is demanded of it
version_added: 0.1.0
description:
  - Reads processors, memory, disks, arrays, network cards, microcode and the kernel's release from C(/proc) and C(/sys), and says of
    each demand whether it is met. Changes nothing, and a demand that is not met is an answer, not a failure.
  - What is not demanded is not looked at.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  cpus:
    description: Least number of CPUs that are online.
    type: int
  cpu_models:
    description: The processor's name holds one of these, such as V(Xeon(R) Gold) or V(EPYC).
    type: list
    elements: str
  memory_gib:
    description: Least memory in GiB, as the kernel has it, which is a little less than what is plugged in.
    type: float
  nvme_gib:
    description: Least size in GiB of all NVMe disks together.
    type: float
  raid_levels:
    description: One software array at least has one of these levels, such as V(raid1), and no array is degraded.
    type: list
    elements: str
  nic_speed_mbps:
    description: Least speed in Mbit/s of the fastest physical network card whose link is up.
    type: int
  nic_firmware:
    description: Accepted firmware versions by name of the interface, as C(ethtool -i) prints them.
    type: dict
  microcode:
    description: Oldest accepted revision of the microcode, such as V(0xd0003b9); all CPUs must have it.
    type: str
  kernel:
    description: Oldest accepted release of the running kernel, such as V(5.15).
    type: str
"""

EXAMPLES = r"""
- name: The runbook's machine
  hft.ops.host_requirements:
    cpus: 32
    cpu_models: [Xeon(R) Gold, EPYC]
    memory_gib: 125
    nvme_gib: 1800
    raid_levels: [raid1]
    nic_speed_mbps: 10000
    kernel: "5.15"
  register: requirements
"""

RETURN = r"""
items:
  description: 'Each demand with C(wanted), C(live), C(status) (V(applied) where it is met, V(drifted), V(not_applicable)) and C(reason).'
  returned: success
  type: list
  elements: dict
unmet:
  description: A sentence for each demand that is not met, or that this host cannot answer.
  returned: success
  type: list
  elements: str
"""

import re
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._topology import listed

_GIB = 1 << 30
_SECTOR_BYTES = 512  # of /sys/block/*/size, whatever the disk's own

_Run = Callable[[list], tuple]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cpus": {"type": "int"},
            "cpu_models": {"type": "list", "elements": "str"},
            "memory_gib": {"type": "float"},
            "nvme_gib": {"type": "float"},
            "raid_levels": {"type": "list", "elements": "str"},
            "nic_speed_mbps": {"type": "int"},
            "nic_firmware": {"type": "dict"},
            "microcode": {"type": "str"},
            "kernel": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        items = compare(module.params, Host(), module.run_command)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    unmet = [f"{item.name}: {item.reason}" for item in items if item.status != APPLIED]
    module.exit_json(items=[item.shown() for item in items], unmet=unmet)


def compare(wanted: dict[str, Any], host: Host, run: _Run) -> list[Item]:
    """Every demand and how it stands."""
    _refuse_bad_input(wanted)
    items = []
    for name, read in _READERS.items():
        if wanted[name] is not None:
            items += read(wanted[name], host)
    for interface, versions in sorted((wanted["nic_firmware"] or {}).items()):
        items.append(_firmware(interface, [str(one) for one in ([versions] if isinstance(versions, str) else versions)], run))
    return items


def _refuse_bad_input(wanted: dict[str, Any]) -> None:
    problems = [f"{name} {wanted[name]}: expected more than 0" for name in ("cpus", "memory_gib", "nvme_gib", "nic_speed_mbps")
                if wanted[name] is not None and wanted[name] <= 0]
    if wanted["microcode"] is not None and not re.fullmatch(r"0x[0-9a-fA-F]+", wanted["microcode"]):
        problems.append(f"microcode {wanted['microcode']}: expected a revision such as 0xd0003b9")
    if wanted["kernel"] is not None and not re.fullmatch(r"\d+(\.\d+)*", wanted["kernel"]):
        problems.append(f"kernel {wanted['kernel']}: expected a release such as 5.15")
    if problems:
        raise HostError("; ".join(problems))


def _verdict(name: str, wanted: Any, live: Any, met: bool) -> Item:
    return Item(name, APPLIED if met else DRIFTED, wanted, live=live, reason="" if met else f"wanted {wanted}, this host has {live}")


def _unknown(name: str, wanted: Any, path: str) -> Item:
    return Item(name, NOT_APPLICABLE, wanted, reason=f"ENOENT: {path} is not there, so this host cannot tell")


def _at_least(name: str, wanted: float, live: float, unit: str = "") -> Item:
    return _verdict(name, f"at least {wanted:g}{unit}", f"{live:g}{unit}", live >= wanted)


def _cpus(wanted: int, host: Host) -> list[Item]:
    path = "/sys/devices/system/cpu/online"
    online = listed(host, path)
    return [_unknown("cpus", wanted, path) if online is None else _at_least("cpus", wanted, len(online))]


def _cpuinfo(host: Host, field: str) -> list[str]:
    found = (line.partition(":") for line in (host.read("/proc/cpuinfo") or "").splitlines())
    return sorted({value.strip() for name, _colon, value in found if name.strip() == field})


def _cpu_models(wanted: list[str], host: Host) -> list[Item]:
    found = _cpuinfo(host, "model name")
    if not found:
        return [_unknown("cpu_models", wanted, "model name in /proc/cpuinfo")]
    met = all(any(part in model for part in wanted) for model in found)
    return [_verdict("cpu_models", f"one of {', '.join(wanted)}", ", ".join(found), met)]


def _memory(wanted: float, host: Host) -> list[Item]:
    found = re.search(r"^MemTotal:\s+(\d+) kB", host.read("/proc/meminfo") or "", re.MULTILINE)
    if found is None:
        return [_unknown("memory_gib", wanted, "MemTotal in /proc/meminfo")]
    return [_at_least("memory_gib", wanted, round(int(found[1]) * 1024 / _GIB, 1), " GiB")]


def _nvme(wanted: float, host: Host) -> list[Item]:
    disks = [name for name in host.names("/sys/block") if re.fullmatch(r"nvme\d+n\d+", name)]
    total = sum(int(host.read(f"/sys/block/{name}/size") or 0) for name in disks) * _SECTOR_BYTES
    return [_at_least("nvme_gib", wanted, round(total / _GIB, 1), " GiB")]


def _raid(wanted: list[str], host: Host) -> list[Item]:
    arrays = {name: (host.read(f"/sys/block/{name}/md/level") or "").strip() for name in host.names("/sys/block") if name.startswith("md")}
    degraded = [name for name in arrays if (host.read(f"/sys/block/{name}/md/degraded") or "0").strip() != "0"]
    shown = ", ".join(f"{name} {level}{' (degraded)' if name in degraded else ''}" for name, level in arrays.items()) or "no array"
    met = not degraded and any(level in wanted for level in arrays.values())
    return [_verdict("raid_levels", f"one of {', '.join(wanted)}, none degraded", shown, met)]


def _nic_speed(wanted: int, host: Host) -> list[Item]:
    speeds = {}
    for name in host.names("/sys/class/net"):
        if host.path(f"/sys/class/net/{name}/device").exists():
            try:
                speeds[name] = int(host.read(f"/sys/class/net/{name}/speed") or -1)
            except OSError:  # EINVAL while the link is down
                speeds[name] = -1
    known = {name: speed for name, speed in speeds.items() if speed > 0}
    if not known:
        return [_unknown("nic_speed_mbps", wanted, "the speed of a link that is up, in /sys/class/net/*/speed,")]
    return [_at_least("nic_speed_mbps", wanted, max(known.values()), " Mbit/s")]


def _microcode(wanted: str, host: Host) -> list[Item]:
    found = _cpuinfo(host, "microcode")
    if not found:
        return [_unknown("microcode", wanted, "microcode in /proc/cpuinfo")]
    return [_verdict("microcode", f"at least {wanted}", ", ".join(found), all(int(one, 16) >= int(wanted, 16) for one in found))]


def _kernel(wanted: str, host: Host) -> list[Item]:
    release = (host.read("/proc/sys/kernel/osrelease") or "").strip()
    number = re.match(r"\d+(\.\d+)*", release)
    if number is None:
        return [_unknown("kernel", wanted, "/proc/sys/kernel/osrelease")]
    met = [int(part) for part in number[0].split(".")] >= [int(part) for part in wanted.split(".")]
    return [_verdict("kernel", f"at least {wanted}", release, met)]


def _firmware(interface: str, wanted: list[str], run: _Run) -> Item:
    name = f"nic_firmware {interface}"
    code, out, err = run(["ethtool", "-i", interface])
    found = re.search(r"^firmware-version: *(.*)$", out, re.MULTILINE) if code == 0 else None
    if found is None:
        return Item(name, NOT_APPLICABLE, wanted, reason=f"ethtool -i {interface}: {(err or out).strip() or 'says no firmware-version'}")
    return _verdict(name, f"one of {', '.join(wanted)}", found[1].strip() or "none", found[1].strip() in wanted)


_READERS: dict[str, Callable[[Any, Host], list[Item]]] = {
    "cpus": _cpus, "cpu_models": _cpu_models, "memory_gib": _memory, "nvme_gib": _nvme, "raid_levels": _raid,
    "nic_speed_mbps": _nic_speed, "microcode": _microcode, "kernel": _kernel,
}


if __name__ == "__main__":
    main()
