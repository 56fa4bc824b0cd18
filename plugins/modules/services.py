#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Bring all systemd units of a concern into their wanted state in one call
version_added: 0.1.0
description:
  - States for a list of units whether each is enabled, masked and running, and changes what differs with one C(systemctl)
    call per verb.
  - Reloads systemd's own view first when a unit file was changed, so a playbook needs no separate C(daemon_reload).
  - After the writes every unit is read back. A unit that did not reach its state fails the task with its name and result.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  units:
    description: The units, each at most once.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name of the unit with its suffix, for example V(chrony.service).
        type: str
        required: true
      enabled:
        description:
          - Whether the unit starts at boot. Left alone when not given.
          - A unit without an C([Install]) section (V(static)) counts as both, as it does for C(systemctl is-enabled).
        type: bool
      masked:
        description: Whether the unit is masked, so that nothing can start it. Left alone when not given.
        type: bool
      state:
        description:
          - Whether the unit runs now. Left alone when not given.
          - V(restarted) and V(reloaded) are for handlers.
        type: str
        choices: [started, stopped, restarted, reloaded]
      stale_after:
        description:
          - Files that the unit reads at its start; only with O(units[].state=restarted) and O(units[].state=reloaded).
          - The unit is restarted (reloaded) only when it was started before the newest of these was written, so a unit that was
            just started with the new file is left alone. A unit that does not run is not started.
          - In check mode the file is not written, so its time proves nothing; a running unit is then always reported as changed.
            A handler runs only when something changed, so that is what the real run does.
        type: list
        elements: path
notes:
  - A unit that is wanted (enabled, started or restarted) and does not exist is a planned change in check mode, because the package that
    brings it may not be installed yet, and an error otherwise.
  - A unit that is not wanted (disabled, masked, stopped) and does not exist is C(not_applicable).
  - When a start fails, units that were enabled or started before stay so; run the task again after mending the cause.
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Time daemon on, services that a trading host does not need off
  hft.ops.services:
    units:
      - name: chrony.service
        enabled: true
        state: started
      - name: bluetooth.service
        enabled: false
        masked: true
        state: stopped

- name: Handler | restart only when the running daemon is older than its files
  hft.ops.services:
    units:
      - name: prometheus.service
        state: restarted
        stale_after:
          - /etc/prometheus/prometheus.yml
          - /etc/default/prometheus
"""

RETURN = r"""
units:
  description: How each unit stands, in the order given; in check mode before the change.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the unit., type: str}
    status: {description: 'C(applied), C(drifted), C(not_applicable) or C(failed).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: What was asked., type: dict}
    persisted: {description: 'Enablement: C(enabled), C(disabled), C(static), C(masked), C(not installed).', type: str}
    booted: {description: Always null., type: str}
    live: {description: 'Active state: C(active), C(inactive), C(failed).', type: str}
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
daemon_reloaded:
  description: Whether systemd was told to read its unit files again.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._services import SPEC, apply
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("services"))
    try:
        result = apply(module.params["units"], Host(), Systemctl(module.run_command), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


if __name__ == "__main__":
    main()
