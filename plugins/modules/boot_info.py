#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_info
short_description: What this host booted, and whether it may be rebooted now
version_added: 0.1.0
description:
  - Reads the running kernel, its command line and the boot id, which is another one after every boot.
  - Asks the engine on the host, by its own API, whether it trades. Changes nothing.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes.information
  - hft.ops.attributes
  - hft.ops.host_guard
options: {}
"""

EXAMPLES = r"""
- name: What runs here
  hft.ops.boot_info:
  register: booted

- name: Go on only where a reboot disturbs nobody
  ansible.builtin.assert:
    that: booted.refusal | length == 0
    fail_msg: "{{ booted.refusal }}"
"""

RETURN = r"""
boot_id:
  description: Identity of this boot.
  returned: success
  type: str
command_line:
  description: The kernel's command line, as it was booted.
  returned: success
  type: str
kernel:
  description: Release of the running kernel.
  returned: success
  type: str
  sample: 6.12.107+deb13-rt-amd64
kernel_version:
  description: What C(uname -v) says.
  returned: success
  type: str
realtime:
  description: Whether the running kernel is fully preemptible (C(/sys/kernel/realtime)).
  returned: success
  type: bool
uptime_s:
  description: Seconds since the boot.
  returned: success
  type: int
virtualization:
  description: What systemd-detect-virt says, C(none) on metal.
  returned: success
  type: str
clock_offset_s:
  description: How far the clock is from its sources by chrony, in seconds; null where chrony does not run or is not synchronised.
  returned: success
  type: float
refusal:
  description: Why a reboot would disturb trading; empty when it would not, or O(guard.allow_disruption) is set.
  returned: success
  type: str
"""

import os
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, refusal
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

# Fields of `chronyc -c tracking`: 5 offset in seconds, 14 leap status.
_OFFSET = 4
_LEAP = 13


def main() -> None:
    module = AnsibleModule(argument_spec={"guard": HOST_GUARD_SPEC}, supports_check_mode=True)
    host = Host()
    # Asked as in check mode, where a refusal is told and not raised: the caller decides what it ends.
    why = refusal(module.params["guard"], ["the boot of this host"], host, module.run_command, check_mode=True)
    module.exit_json(changed=False, refusal=why, **read(host, partial(module.run_command, handle_exceptions=False), os.uname()))


def read(host: Host, run_command: RunCommand, names: os.uname_result) -> dict[str, Any]:
    """What RETURN describes, without refusal."""
    return {
        "boot_id": (host.read("/proc/sys/kernel/random/boot_id") or "").strip(),
        "command_line": (host.read("/proc/cmdline") or "").strip(),
        "kernel": names.release,
        "kernel_version": names.version,
        "realtime": (host.read("/sys/kernel/realtime") or "").strip() == "1",
        "uptime_s": int(float((host.read("/proc/uptime") or "0").split()[0])),
        "virtualization": _said(run_command, "systemd-detect-virt") or "unknown",
        "clock_offset_s": _clock_offset_s(run_command),
    }


def _clock_offset_s(run_command: RunCommand) -> float | None:
    fields = _said(run_command, "chronyc", "-c", "-n", "tracking").split(",")
    if len(fields) <= _LEAP or fields[_LEAP] == "Not synchronised":
        return None
    return float(fields[_OFFSET])


def _said(run_command: RunCommand, *argv: str) -> str:
    """What a program prints, whatever its exit status; nothing where the host does not have it."""
    try:
        return run_command(list(argv))[1].strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
