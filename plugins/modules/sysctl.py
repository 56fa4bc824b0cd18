#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl
short_description: Set all kernel parameters of a host in one call, and read back what the kernel did
version_added: 0.1.0
description:
  - Keeps one file in C(sysctl.d) that holds exactly the given settings, and makes the running kernel equal to it.
  - Reads every key back from C(/proc/sys). A value that the kernel refuses or changes fails the task, and every key that was
    written before gets its old value back; the file is written last.
  - What is wrong with the input is reported in one error before anything is written.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  settings:
    description:
      - Every key with its value, the whole wanted state. Lists such as C(net.ipv4.tcp_rmem) are strings with spaces; they are compared
        by their numbers, whatever white space the kernel uses.
      - A key that this kernel does not know fails the task, with the nearest existing key. A few real keys that a kernel may be
        built without, such as C(kernel.numa_balancing) on PREEMPT_RT, are C(not_applicable) there.
      - Booleans are refused, because it is not clear what they mean to the kernel. Write V(1) or V(0).
    type: dict
    required: true
  path:
    description: The file that is owned as a whole. systemd reads it at boot, so it lies in one of its directories and ends in C(.conf).
    type: path
    default: /etc/sysctl.d/90-hft.conf
  purge:
    description:
      - Whether keys that stand in O(path) and not in O(settings) are removed from it.
      - The kernel keeps the value of a removed key until the next boot, which is reported as C(pending_reboot).
    type: bool
    default: true
  apply:
    description: Whether the running kernel is changed now (V(live)), or at the next boot only (V(boot)).
    type: str
    choices: [live, boot]
    default: live
notes:
  - Whether the running kernel can be changed is found per key by opening it for writing. Where that is refused, as in a container with
    a read-only C(/proc/sys), the key is C(not_applicable) with the error number, and the file is still written.
seealso:
  - module: ansible.posix.sysctl
  - module: hft.ops.limits
"""

EXAMPLES = r"""
- name: Kernel parameters of a trading host
  hft.ops.sysctl:
    settings:
      net.core.rmem_max: 134217728
      net.ipv4.tcp_rmem: 4096 87380 67108864
      vm.swappiness: 1

- name: Audit the same settings, change nothing
  hft.ops.sysctl:
    settings: "{{ sysctl_settings }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
settings:
  description: How each key stands after the run, in the order of the keys; in check mode as found.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The key., type: str}
    status:
      description: 'C(applied), C(not_applicable), C(pending_reboot) or C(drifted).'
      type: str
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The wanted value., type: str}
    persisted: {description: The value in O(path)., type: str}
    booted: {description: Always null., type: str}
    live: {description: What the kernel says., type: str}
conflicts:
  description: Keys that another file, read later at boot, sets to another value. Each is also a warning.
  returned: success
  type: list
  elements: dict
  contains:
    key: {description: The key., type: str}
    path: {description: The file that has the last word., type: str}
    value: {description: The value that it sets., type: str}
    wanted: {description: The value wanted here., type: str}
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
reboot_required:
  description: Whether something takes effect at the next boot only.
  returned: success
  type: bool
reboot_reasons:
  description: What does, and why.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._sysctl import SPEC, apply, warnings


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("sysctl"))
    try:
        result = apply(module.params, Host(), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for text in warnings(result):
        module.warn(text)
    module.exit_json(**result, **plan.result())


if __name__ == "__main__":
    main()
