#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hugepages
short_description: All pools of huge pages of a host and their mounts, read back from the kernel
version_added: 0.1.0
description:
  - States every pool, by size of page and NUMA node, and every mount of hugetlbfs, in one call.
  - The kernel gives fewer pages than asked for when free memory is fragmented or in use. That is an error with figures, and the pools
    are what they were, or C(pending_reboot) where O(on_shortage=reboot).
  - More memory than is safe is refused with figures, before anything is written.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.host_guard
options:
  pools:
    description: Every pool, the whole wanted state. A pool that is no longer listed is emptied.
    type: list
    elements: dict
    default: []
    suboptions:
      size:
        description: Size of a page.
        type: str
        choices: [2M, 1G]
        required: true
      count:
        description: Number of pages; at least 0.
        type: int
        required: true
      node:
        description: NUMA node; without it the kernel spreads the pages over all nodes. One size has pools either by node or without.
        type: int
  allocate:
    description:
      - V(live) fills the pools now, and at every boot by C(systemd-tmpfiles). Reclaiming memory disturbs the host for an instant, so a
        host whose engine trades is refused (O(guard)).
      - V(boot) has the kernel fill them while it starts, by its command line, when memory is not fragmented yet. The surest way to pages
        of 1 GiB. See M(hft.ops.kernel_cmdline).
    type: str
    choices: [live, boot]
    default: live
  on_shortage:
    description: What it means when the kernel gives fewer pages than asked for, with O(allocate=live).
    type: str
    choices: [fail, reboot]
    default: fail
  memory_max_percent:
    description: How much of the memory of the host, and of each node, huge pages may take; 1 to 95. They are lost to everything else.
    type: int
    default: 75
  mounts:
    description: Every mount of hugetlbfs, each a systemd mount unit. C(/dev/hugepages) is mounted by systemd itself.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is mounted; the directory is made.
        type: path
        required: true
      size:
        description: Size of its pages.
        type: str
        choices: [2M, 1G]
        required: true
      mode:
        description: Mode of the directory, four octal digits.
        type: str
        default: "0755"
      group:
        description: Group of the directory.
        type: str
  fallback:
    description: As in M(hft.ops.kernel_cmdline), with O(allocate=boot).
    type: bool
    default: true
  state:
    description: V(absent) empties the pools that the module owns and removes everything that it wrote.
    type: str
    choices: [present, absent]
    default: present
notes:
  - A pool whose file in C(/sys) is missing or cannot be written, as in a container, is C(not_applicable) with the error number or the path.
seealso:
  - module: hft.ops.kernel_cmdline
"""

EXAMPLES = r"""
- name: Two pages of 1 GiB beside the card, small ones anywhere
  hft.ops.hugepages:
    allocate: boot
    pools:
      - {size: 1G, count: 2, node: 1}
      - {size: 2M, count: 256}
    mounts:
      - {path: /dev/hugepages1G, size: 1G, mode: "1770", group: hft_user}
"""

RETURN = r"""
items:
  description: How each pool and each mount stands after the run; in check mode as found.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: 'For example C(hugepages 1G node 1), or the path of the mount.', type: str}
    status:
      description: 'C(applied), C(pending_reboot), C(drifted), C(not_applicable) or C(failed).'
      type: str
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: Pages wanted; of a mount its options., type: raw}
    persisted: {description: What the next boot asks for., type: raw}
    booted: {description: What this boot asked for on the command line., type: raw}
    live: {description: Pages in the pool now; of a mount its size of page., type: raw}
refused:
  description: The refusal that a run would meet because the engine trades; empty when none. Outside check mode it is an error.
  returned: success
  type: str
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
from ansible_collections.hft.ops.plugins.module_utils._hugepages import SPEC, apply, warnings
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("hugepages"))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for text in warnings(result):
        module.warn(text)
    module.exit_json(**result, **plan.result())


if __name__ == "__main__":
    main()
