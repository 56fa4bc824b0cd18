#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_capacity_info
short_description: What a PostgreSQL cluster may really use of its host
version_added: 0.1.0
description:
  - Memory is the lowest C(MemoryMax) of the cluster's unit, of the slices above it and of the control group that a container was given;
    where nobody limits it, it is V(0), because the machine's total is not one service's.
  - CPUs are those present that are not isolated and that C(CPUAffinity) and C(AllowedCPUs) leave, fewer where C(CPUQuota) says so.
  - Answers on a host without PostgreSQL too. A limit in a drop-in of the unit counts once the unit is installed, one of
    C(system-postgresql.slice) before that.
options:
  wal_directory:
    description: Where the write-ahead log will lie while there is no cluster yet; empty for the data directory.
    type: path
    default: ""
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Ask what PostgreSQL may use
  hft.ops.pg_capacity_info:
  register: capacity
"""

RETURN = r"""
memory_mb:
  description: MiB that it may use; V(0) when nothing limits it.
  returned: always
  type: int
memory_limited_by:
  description: The unit or slice that limits it; empty when nothing does.
  returned: always
  type: str
machine_memory_mb:
  description: MiB of the machine, for comparison.
  returned: always
  type: int
cpus:
  description: How many CPUs it may use.
  returned: always
  type: int
cpu_list:
  description: Which, such as V(0-1,8).
  returned: always
  type: str
data:
  description: The disk that holds the data directory.
  returned: always
  type: dict
  contains:
    directory:
      description: The directory.
      type: str
    total_mb:
      description: MiB in all.
      type: int
    free_mb:
      description: MiB that are free.
      type: int
wal:
  description: The same of the write-ahead log; its directory is where the log really lies once a cluster is there.
  returned: always
  type: dict
huge_pages:
  description: >-
    C(size_kb), C(total) and C(free) of the kernel's pool; C(needed) pages and C(status) (V(on), V(off)) of the running server, V(0) and
    empty while none runs.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils import _capacity
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import ABSENT, CLUSTER_ARGUMENTS, PRIMARY, STANDBY, Cluster, settings_of
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

# Debian's unit is an instance of postgresql@.service and names no slice, so systemd gives it this one.
_SLICE = "system-postgresql.slice"


def information(host: Host, cluster: Cluster, systemctl: Systemctl, wal_directory: str) -> dict[str, Any]:
    """Everything under RETURN."""
    units = _capacity.chain(systemctl, cluster.unit, _SLICE)
    memory, cpus = _capacity.memory(host, units), _capacity.cpus(host, units)
    state = cluster.state()
    wal = cluster.wal_directory if state != ABSENT or not wal_directory else wal_directory
    return {
        "memory_mb": memory.mb, "memory_limited_by": memory.limited_by, "machine_memory_mb": _capacity.meminfo(host, "MemTotal") >> 10,
        "cpus": cpus.count, "cpu_list": _capacity.shown(cpus.numbers),
        "data": _place(host, cluster.data_directory), "wal": _place(host, wal),
        "huge_pages": {"size_kb": _capacity.meminfo(host, "Hugepagesize"), "total": _capacity.meminfo(host, "HugePages_Total"),
                       "free": _capacity.meminfo(host, "HugePages_Free"), **_in_use(cluster, state)},
    }


def _place(host: Host, directory: str) -> dict[str, Any]:
    return {"directory": directory, **vars(_capacity.disk(host, directory))}


def _in_use(cluster: Cluster, state: str) -> dict[str, Any]:
    if state not in (PRIMARY, STANDBY):
        return {"needed": 0, "status": ""}
    with cluster.session() as cursor:
        found = settings_of(cursor, "shared_memory_size_in_huge_pages", "huge_pages_status")
    # -1 where the kernel has no huge pages; the status is known from PostgreSQL 17 on.
    return {"needed": max(0, int(found.get("shared_memory_size_in_huge_pages", "0"))), "status": found.get("huge_pages_status", "")}


def main() -> None:
    module = AnsibleModule(argument_spec={"wal_directory": {"type": "path", "default": ""}, **CLUSTER_ARGUMENTS}, supports_check_mode=True)
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    try:
        found = information(host, cluster, Systemctl(module.run_command), given["wal_directory"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
