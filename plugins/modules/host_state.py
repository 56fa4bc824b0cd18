# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_state
short_description: Kernel parameters, limits, command line, huge pages and services of a host in one call
version_added: 0.1.0
description:
  - Does what M(hft.ops.sysctl), M(hft.ops.limits), M(hft.ops.kernel_cmdline), M(hft.ops.hugepages) and M(hft.ops.services) do, by the same
    code and in this order, in one process on the host. Most of the time of such a task is Ansible's own, which is then paid once.
  - What is wrong with the input of any part is reported in one error before anything is written.
  - When a part fails, what the parts before it wrote is taken back too.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  sysctl:
    description: Options of M(hft.ops.sysctl). A part that is not given is left alone; so it is with all of them.
    type: dict
  limits:
    description: Options of M(hft.ops.limits).
    type: dict
  kernel_cmdline:
    description: Options of M(hft.ops.kernel_cmdline), for each concern that owns arguments.
    type: list
    elements: dict
  hugepages:
    description: Options of M(hft.ops.hugepages).
    type: dict
  services:
    description: Options of M(hft.ops.services).
    type: dict
notes:
  - Units that were enabled or started stay so when another one fails to start, as with M(hft.ops.services). They come last.
seealso:
  - module: hft.ops.sysctl
  - module: hft.ops.limits
  - module: hft.ops.kernel_cmdline
  - module: hft.ops.hugepages
  - module: hft.ops.services
"""

EXAMPLES = r"""
- name: The state of a trading host
  hft.ops.host_state:
    sysctl:
      settings: {vm.swappiness: 1, net.core.rmem_max: 134217728}
    limits:
      entries:
        - {domain: hft_user, item: memlock, value: unlimited}
    kernel_cmdline:
      - name: cpu_isolation
        arguments:
          - {name: isolcpus, value: "managed_irq,domain,2-3"}
          - {name: nohz_full, value: 2-3}
    hugepages:
      pools:
        - {size: 2M, count: 256, node: 0}
    services:
      units:
        - {name: irqbalance.service, enabled: false, state: stopped}

- name: Audit it, change nothing
  hft.ops.host_state:
    sysctl:
      settings: "{{ sysctl_settings }}"
    services:
      units: "{{ services_units }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
parts:
  description: By part, in their order, what the module of that name returns; of C(kernel_cmdline) by the name of the concern.
  returned: success
  type: dict
differences:
  description: Every difference between wanted and found of all parts, with its layer, path, before and after.
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
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_state import HostState


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sysctl": {"type": "dict"},
            "limits": {"type": "dict"},
            "kernel_cmdline": {"type": "list", "elements": "dict"},
            "hugepages": {"type": "dict"},
            "services": {"type": "dict"},
        },
        required_one_of=[["sysctl", "limits", "kernel_cmdline", "hugepages", "services"]],
        supports_check_mode=True,
    )
    state = HostState(module.params, Host(), module.run_command, module.check_mode)
    try:
        result = state.apply()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **state.failure())
    for text in state.warnings:
        module.warn(text)
    module.exit_json(**result, **state.result())


if __name__ == "__main__":
    main()
