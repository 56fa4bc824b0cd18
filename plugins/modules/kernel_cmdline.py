#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_cmdline
short_description: Arguments of the kernel's command line, persisted, booted and live, with a way back from a boot that fails
version_added: 0.1.0
description:
  - States all arguments of one concern. They are written where the boot loader of the host wants them, which is detected - GRUB with
    C(update-grub) (C(/etc/default/grub.d)), C(grubby) (RHEL family) or systemd-boot (C(/etc/kernel/cmdline) and C(kernel-install)).
  - Only what the concern owns is ever removed. What others set under the same keys is kept out while the concern states them, and comes
    back with its end; no file of another is edited with GRUB.
  - Values that name CPUs are compared as sets of CPUs, so C(2,3) and C(2-3) are one.
  - When C(update-grub) fails, the old files and the old menu stand.
  - A change is tried once (GRUB). When the host does not come up with the network cards that were up before, the next start boots the
    entry before the change, with the arguments of before, and the module reports that.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  name:
    description: The concern that owns these arguments, in lower case, for example V(cpu_isolation). Each has a file of its own.
    type: str
    required: true
  arguments:
    description: All arguments of the concern, in the order in which they are to stand.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The key, for example V(isolcpus). V(-) and V(_) are the same to the kernel.
        type: str
        required: true
      value:
        description: The value; none for an argument that is a key alone. No white space and no quotes.
        type: str
      action:
        description:
          - V(replace) keeps out every other value of the key; a key that stands several times here has all these values, in this order.
          - V(add) keeps others, as for V(console).
          - V(remove) keeps the key out, whoever sets it, and takes no value.
        type: str
        choices: [replace, add, remove]
        default: replace
      needs:
        description:
          - Build option without which the kernel ignores the argument in silence, for example V(NO_HZ_FULL). A kernel without it makes
            the argument C(not_applicable). Those of isolcpus, nohz_full, rcu_nocbs and huge pages are known.
        type: str
  state:
    description: Whether the concern has arguments; V(absent) removes what it owns, and takes O(arguments) only to report on them.
    type: str
    choices: [present, absent]
    default: present
  kernel_release:
    description: The kernel whose build options count; the one that boots by default when not given.
    type: str
  fallback:
    description:
      - Whether a change is tried once. Adds C(panic=30) where nothing else sets C(panic), or a kernel that panics would stand still.
      - A host that ends in emergency mode waits for an operator; its next start boots the entry before the change.
    type: bool
    default: true
  retry:
    description: Whether a change that did not come up is tried again.
    type: bool
    default: false
notes:
  - Proven on Debian 13 with GRUB, and with systemd-boot, which has no O(fallback). grubby is believed, without O(fallback).
seealso:
  - module: hft.ops.boot_kernel
  - module: hft.ops.cpu_plan
  - module: hft.ops.hugepages
"""

EXAMPLES = r"""
- name: CPUs 2 and 3 for hot threads alone
  hft.ops.kernel_cmdline:
    name: cpu_isolation
    arguments:
      - {name: isolcpus, value: "managed_irq,domain,2-3"}
      - {name: nohz_full, value: 2-3}
      - {name: rcu_nocbs, value: 2-3}
      - {name: irqaffinity, value: 0-1}
      - {name: quiet, action: remove}

- name: Take it back
  hft.ops.kernel_cmdline:
    name: cpu_isolation
    state: absent
"""

RETURN = r"""
items:
  description: How each key stands after the run, in the order given; in check mode as found. The last one is the fallback.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The key., type: str}
    status:
      description: 'C(applied), C(pending_reboot), C(drifted), C(not_applicable) or C(failed).'
      type: str
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: 'The wanted arguments, null when the key is to be absent.', type: str}
    persisted: {description: Those that the next boot gets by default., type: str}
    booted: {description: Those in C(/proc/cmdline)., type: str}
    live: {description: 'What the kernel made of it, where it tells (isolcpus, nohz_full, systemd.cpu_affinity).', type: str}
boot_loader:
  description: V(grub), V(grubby), V(systemd-boot), or null when none is known.
  returned: success
  type: str
command_line:
  description: The whole command lines.
  returned: success
  type: dict
  contains:
    persisted: {description: 'That of the default entry, null without a boot loader.', type: str}
    booted: {description: That of the running kernel., type: str}
fell_back:
  description: Whether the last change did not come up, and the host runs the entry before it.
  returned: success
  type: bool
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
from ansible_collections.hft.ops.plugins.module_utils._cmdline import SPEC, apply, warnings
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("kernel_cmdline"))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for text in warnings(result):
        module.warn(text)
    module.exit_json(**result, **plan.result())


if __name__ == "__main__":
    main()
