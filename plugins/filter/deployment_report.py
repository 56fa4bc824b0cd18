# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that turns the record of a run into a page for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deployment_report
short_description: The record of a deployment as one HTML page
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns a page that holds everything it needs. No script, no request; styles and pictures are inside, and every text is escaped.
  - On it stand the verdict, the gap, who wanted and approved it, every gate with what was asked and found, the phases of the run in
    seconds and of the transfer in microseconds as a picture with the gap marked, the watched metrics, the hosts with their versions.
  - The record is held against C(plugins/plugin_utils/deployment_record.schema.json) first; what is wrong is named with its place.
options:
  _input:
    description:
      - The record. C(schema) (1), C(id), C(action), C(verdict) (V(done), V(rolled_back), V(paused), V(refused), V(aborted), V(failed)),
        C(started_at) and C(finished_at) must be there; the schema describes the rest.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: The report of this run
  ansible.builtin.copy:
    content: "{{ record | hft.ops.deployment_report }}"
    dest: "build/reports/{{ record.id }}.html"
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.plugin_utils._json_schema import RecordWrong
from ansible_collections.hft.ops.plugins.plugin_utils._report_page import page
from ansible_collections.hft.ops.plugins.plugin_utils._report_record import check


def deployment_report(record: dict[str, Any]) -> str:
    """See DOCUMENTATION."""
    try:
        check(record)
    except RecordWrong as wrong:
        raise AnsibleFilterError(f"hft.ops.deployment_report: {wrong}; see deployment_record.schema.json") from None
    return page(record)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"deployment_report": deployment_report}
