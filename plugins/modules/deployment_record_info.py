#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_record_info
short_description: The records of deployments that the database keeps
version_added: 0.1.0
description:
  - Reads rows of C(public.deployment_record), newest first, on the primary or a standby. Changes nothing.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.deployment_tables, hft.ops.postgres_cluster]
options:
  id:
    description: Runs of this deployment alone; empty for all.
    type: str
    default: ""
  newest:
    description: So many at most, 1 to 1000.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: The last deployment
  hft.ops.deployment_record_info:
    newest: 1
  register: deployments
"""

RETURN = r"""
records:
  description: The records as they were given, newest first.
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_deployments import DEPLOYMENTS_ARGUMENTS, check_wait, reading

_READ = "SELECT record FROM public.deployment_record WHERE %(id)s IN ('', id) ORDER BY started_at DESC, id LIMIT %(newest)s"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "default": ""},
            "newest": {"type": "int", "default": 10},
            **DEPLOYMENTS_ARGUMENTS,
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    try:
        if not 1 <= given["newest"] <= 1000:
            raise HostError(f"newest {given['newest']}: expected 1 to 1000")
        check_wait(given)
        with reading(cluster, given) as cursor:
            found = rows(cursor, _READ, given)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, records=[row["record"] for row in found])


if __name__ == "__main__":
    main()
