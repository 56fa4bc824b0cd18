#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_variables
short_description: Refuse variables that look like a role's and are no option of it
version_added: 0.1.0
description:
  - Ansible takes a misspelt variable of a role in silence, and the role runs with its default. This action compares every variable of
    the hosts that starts with the name of a role of this collection with the options in that role's argument specification, and fails
    with all that fit none, each with the nearest option and with the file of the inventory where it stands.
  - The longest role name counts, so C(engine_build_jobs) belongs to C(engine_build) and not to C(engine).
  - Runs on the controller and opens no connection, so it can come before everything else, once for all hosts.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  hosts:
    description: The hosts whose variables are compared.
    type: list
    elements: str
    default: []
  allow:
    description: Names that are no option and are wanted nevertheless, such as variables of the inventory's own.
    type: list
    elements: str
    default: []
attributes:
  diff_mode:
    support: none
    description: Changes nothing, so there is nothing to show.
notes:
  - With O(hosts) empty all hosts of the play are compared, so one task with C(run_once) is enough.
  - Variables of the inventory and extra variables are compared, and what earlier plays registered or set as facts; so let it run first.
"""

EXAMPLES = r"""
- name: Refuse misspelt variables of any host before the first host is touched
  hft.ops.preflight_variables:
  run_once: true
"""

RETURN = r"""
unknown:
  description: Every variable that is no option, with the hosts that carry it.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The variable., type: str}
    role: {description: The role whose name it starts with., type: str}
    nearest: {description: The nearest option of that role; null when none is near., type: str}
    file: {description: The file where it stands; null when it was not found in one., type: str}
    hosts: {description: The hosts that carry it., type: list, elements: str}
checked:
  description: Number of variables that start with the name of a role.
  returned: always
  type: int
"""
