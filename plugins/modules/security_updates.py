#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: security_updates
short_description: Install the security updates of a Debian family host, and nothing else
version_added: 0.1.0
description:
  - Asks apt which packages its security archive would upgrade, and installs these in exactly these versions with one C(apt-get).
  - What is held stays, whoever would pull it along. When an update cannot be had without a held package, that update is held too, and said.
  - Looks afterwards for processes that still run files that were replaced; they are the reasons for a reboot. No service is restarted.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  hold:
    description:
      - Packages that keep their version, as shell patterns of names. Their updates are reported.
      - A kernel or a database is upgraded by a workflow of its own, which tries it first.
    type: list
    elements: str
    default: [linux-*, grub*, postgresql*, timescaledb*, libpq5]
  list_max_age_s:
    description: Package lists older than this many seconds are read anew first; not in check mode.
    type: int
    default: 3600
notes:
  - An earlier version is not put back by C(hft.ops.host_undo); the archive often has it no more.
seealso:
  - module: hft.ops.packages
"""

EXAMPLES = r"""
- name: Security updates
  hft.ops.security_updates:
  register: updates

- name: What was left out
  ansible.builtin.debug:
    msg: "{{ updates.held }}"
"""

RETURN = r"""
items:
  description: Every package with a security update; those that are held are C(not_applicable).
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the package., type: str}
    status: {description: 'C(applied), C(drifted) or C(not_applicable).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The version of the security archive., type: str}
    persisted: {description: The installed version., type: str}
    booted: {description: Always null., type: str}
    live: {description: Always null., type: str}
held:
  description: A sentence for each update that was left out.
  returned: success
  type: list
  elements: str
differences:
  description: Every difference between wanted and found, with its layer, path (the package), before and after.
  returned: always
  type: list
  elements: dict
reboot_required:
  description: Whether something runs files that were replaced.
  returned: success
  type: bool
reboot_reasons:
  description: What does, a unit each.
  returned: success
  type: list
  elements: str
"""

from fnmatch import fnmatchcase

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._apt import Apt, Update
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._replaced_files import units_that_run_replaced_files


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "hold": {"type": "list", "elements": "str", "default": ["linux-*", "grub*", "postgresql*", "timescaledb*", "libpq5"]},
            "list_max_age_s": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("packages"))
    host = Host()
    try:
        items = apply(module.params, Apt(module.run_command, host), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    reasons = [f"{unit}: runs files that were replaced" for unit in units_that_run_replaced_files(host)]
    module.exit_json(items=[item.shown() for item in items], reboot_required=bool(reasons), reboot_reasons=reasons,
                     held=[f"{item.name} {item.wanted}: {item.reason}" for item in items if item.status == NOT_APPLICABLE], **plan.result())


def apply(params: dict, apt: Apt, plan: Plan) -> list[Item]:
    """Plan and, outside check mode, run; how every package with a security update stands afterwards."""
    if not plan.check_mode and apt.list_age_s() > params["list_max_age_s"]:
        apt.update()
    found = {update.name: update for update in apt.upgradable() if update.security}
    held = {name: f"held by {pattern}" for name in found for pattern in params["hold"] if fnmatchcase(name, pattern)}
    wanted = _free_of_held(apt, [update for name, update in found.items() if name not in held], params["hold"], held)

    def verify() -> None:
        installed = apt.installed()
        left = [f"{one.name}: wanted {one.version}, is {installed.get(one.name)}" for one in wanted
                if installed.get(one.name) != one.version]
        if left:
            raise HostError("; ".join(left))

    if wanted:
        plan.change(*(Difference("persisted", one.name, one.installed, one.version) for one in wanted),
                    write=lambda: apt.install([f"{one.name}={one.version}" for one in wanted], True, params["list_max_age_s"]))
    plan.run(verify)
    items = [Item(one.name, DRIFTED if plan.check_mode else APPLIED, one.version, one.installed if plan.check_mode else one.version,
                  reason="a security update waits" if plan.check_mode else "") for one in wanted]
    return items + [Item(name, NOT_APPLICABLE, found[name].version, found[name].installed, reason=why) for name, why in held.items()]


def _free_of_held(apt: Apt, wanted: list[Update], hold: list[str], held: dict[str, str]) -> list[Update]:
    """Those that can be installed without touching what is held; the others are added to held with the reason."""
    def pulled(updates: list[Update]) -> list[str]:
        names = apt.would_install([f"{one.name}={one.version}" for one in updates]) if updates else []
        return [name for name in names if any(fnmatchcase(name, pattern) for pattern in hold)]

    if not pulled(wanted):
        return wanted
    kept = []
    for one in wanted:
        along = pulled([one])
        if along:
            held[one.name] = f"would pull along {', '.join(along)}, which is held"
        else:
            kept.append(one)
    return kept


if __name__ == "__main__":
    main()
