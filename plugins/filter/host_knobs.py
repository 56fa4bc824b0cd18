# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that gathers what host roles published about their knobs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_knobs
short_description: The knobs of a host, their count by status, and the verdict
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns the keys C(knobs), C(counts) and C(verdict) of a host's report from what the roles of a run published.
  - The verdict is the worst status of any knob, V(failed), V(drifted) or V(pending_reboot); V(as_wanted) when there is none of them.
options:
  _input:
    description: Items by role, as the modules of the collection return them (C(items)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: How this host stands
  ansible.builtin.debug:
    msg: "{{ ({'sysctl': sysctl_items, 'limits': limits_items} | hft.ops.host_knobs).verdict }}"
"""

RETURN = r"""
_value:
  description: Keys C(knobs), C(counts) and C(verdict).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.plugin_utils._host_knobs import STATUSES, gather


def host_knobs(items: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """See DOCUMENTATION."""
    for role, ones in items.items():
        for one in ones:
            if one.get("status") not in STATUSES or "name" not in one:
                raise AnsibleFilterError(f"hft.ops.host_knobs: {role}: expected items with name and status ({', '.join(STATUSES)}), "
                                         f"found {one!r}")
    return gather(items)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"host_knobs": host_knobs}
