#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: show_lines
short_description: Print lines as they stand, in the colour of their status
version_added: 0.1.0
description:
  - M(ansible.builtin.debug) prints a table as one string with C(\n) in it unless the results are printed as YAML. This action prints it
    as a person reads it, with any configuration of Ansible.
  - Colours are those of C(ansible.cfg), and none where Ansible uses none. Runs on the controller and opens no connection.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes.information
  - hft.ops.attributes
options:
  lines:
    description: The lines, from the first to the last.
    type: list
    elements: dict
    required: true
    suboptions:
      text:
        description: What is printed.
        type: str
        required: true
      status:
        description: 'What it is about: V(failed), V(drifted), V(pending_reboot), V(applied), V(not_applicable), or empty for no colour.'
        type: str
        default: ''
"""

EXAMPLES = r"""
- name: Show how the host stands
  hft.ops.show_lines:
    lines: "{{ host_report_record | hft.ops.host_report('lines') }}"
"""

RETURN = r"""
"""
