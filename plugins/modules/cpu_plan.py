#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cpu_plan
short_description: Which CPUs to isolate and which to keep for housekeeping
version_added: 0.1.0
description:
  - Chooses CPUs from the topology of the host, by rule or as listed, and refuses with the reason what cannot work. Changes nothing.
  - By rule, whole cores are taken from the end of the node's list. The core of CPU 0 is never taken.
  - Refused are CPUs that are not present or offline, a reversed range, CPU 0, too few CPUs left for housekeeping, a core of which one
    thread is isolated and the other is not, and more CPUs than the node has.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes.information
options:
  isolated:
    description: The CPUs to isolate, as a list such as V(2-5,8). Empty isolates none. Excludes O(count).
    type: str
  count:
    description: How many CPUs to isolate, by rule. V(0) isolates none.
    type: int
  nic:
    description: Network card whose NUMA node they are to be on. Excludes O(node); only with O(count).
    type: str
  node:
    description: NUMA node that they are to be on; only with O(count).
    type: int
  housekeeping_min:
    description: CPUs that must be left for the operating system, interrupts and everything that is not hot; at least 1.
    type: int
    default: 1
  split_siblings:
    description: Whether one thread of a core may be isolated while the other is not. They share the core, so each disturbs the other.
    type: bool
    default: false
seealso:
  - module: hft.ops.host_topology
  - module: hft.ops.kernel_cmdline
"""

EXAMPLES = r"""
- name: Four CPUs beside the card that faces the venue
  hft.ops.cpu_plan:
    count: 4
    nic: enp65s0f0
    housekeeping_min: 2
  register: plan

- name: An explicit list
  hft.ops.cpu_plan:
    isolated: 2-7
"""

RETURN = r"""
isolated:
  description: CPUs to isolate, as a list; empty for none.
  returned: success
  type: str
housekeeping:
  description: All other CPUs that run.
  returned: success
  type: str
nodes:
  description: The same by NUMA node.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Number of the node., type: int}
    isolated: {description: Its CPUs to isolate., type: str}
    housekeeping: {description: Its other CPUs., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list
from ansible_collections.hft.ops.plugins.module_utils._cpu_plan import Wish, isolated_cpus
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._topology import Topology


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "isolated": {"type": "str"},
            "count": {"type": "int"},
            "nic": {"type": "str"},
            "node": {"type": "int"},
            "housekeeping_min": {"type": "int", "default": 1},
            "split_siblings": {"type": "bool", "default": False},
        },
        required_one_of=[("isolated", "count")],
        mutually_exclusive=[("isolated", "count"), ("nic", "node"), ("isolated", "nic"), ("isolated", "node")],
        supports_check_mode=True,
    )
    try:
        result = planned(module.params, Host())
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, **result)


def planned(params: dict[str, Any], host: Host) -> dict[str, Any]:
    """The module's own result keys."""
    topology = Topology(host)
    isolated = isolated_cpus(topology, Wish(**params))
    return {
        "isolated": cpu_list(isolated),
        "housekeeping": cpu_list(topology.online - isolated),
        "nodes": [
            {"id": number, "isolated": cpu_list(node.cpus & isolated), "housekeeping": cpu_list(node.cpus - isolated)}
            for number, node in topology.nodes.items()
        ],
    }


if __name__ == "__main__":
    main()
