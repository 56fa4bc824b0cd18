# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that turns the report of a host into what somebody reads."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_report
short_description: The report of a host as a page, Markdown, lines of a terminal, or metrics
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - The report is held against C(plugins/plugin_utils/host_report.schema.json) first; what is wrong is named with its place.
  - On the page stand every knob in every layer, the latencies before and after as pictures, the figures of each CPU with the interrupts
    that it got meanwhile, the clock's offset, the exact command lines and the versions. It holds everything it needs and asks for nothing.
positional: form
options:
  _input:
    description: The report, as the role C(hft.ops.host_report) makes it.
    type: dict
    required: true
  form:
    description:
      - V(html) is one page, V(markdown) a text for a ticket, V(metrics) a file for node_exporter's textfile collector.
      - V(lines) is a list for C(hft.ops.show_lines), each with C(text) and the C(status) that it is about.
    type: str
    choices: [html, markdown, lines, metrics]
    required: true
"""

EXAMPLES = r"""
- name: Keep the page
  ansible.builtin.copy:
    content: "{{ host_report | hft.ops.host_report('html') }}"
    dest: "build/reports/hosts/{{ inventory_hostname }}.html"
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: A text; with V(lines) a list of dictionaries.
  type: raw
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.plugin_utils._host_report_page import page
from ansible_collections.hft.ops.plugins.plugin_utils._host_report_text import lines, markdown, metrics
from ansible_collections.hft.ops.plugins.plugin_utils._json_schema import RecordWrong, check

SCHEMA = Path(__file__).resolve().parent.parent / "plugin_utils" / "host_report.schema.json"
_FORMS = {"html": page, "markdown": markdown, "lines": lines, "metrics": metrics}


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def host_report(report: dict[str, Any], form: str) -> Any:
    """See DOCUMENTATION."""
    if form not in _FORMS:
        raise AnsibleFilterError(f"hft.ops.host_report: form {form}: expected one of {', '.join(_FORMS)}")
    try:
        check(report, _schema(), "report")
    except RecordWrong as wrong:
        raise AnsibleFilterError(f"hft.ops.host_report: {wrong}; see host_report.schema.json") from None
    return _FORMS[form](report)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"host_report": host_report}
