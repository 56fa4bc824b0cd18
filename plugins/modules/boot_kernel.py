#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_kernel
short_description: Make the newest installed kernel of a kind the one that boots by default
version_added: 0.1.0
description:
  - Chooses the newest installed kernel whose release matches, and makes it the default entry of the boot loader, which is detected.
    Nothing is written while the boot loader takes that kernel anyway.
  - Another kernel than the running one is tried once (GRUB), as with M(hft.ops.kernel_cmdline). When the host does not come up, the next
    start boots the entry before the change.
  - With systemd-boot the default is stated in C(loader.conf), because a real-time kernel reaches no EFI variable. A default that was set
    with C(bootctl set-default) outranks it, which is an error.
  - Installs nothing and never reboots.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  pattern:
    description: Regular expression that the whole release matches, for example V(.*-rt-amd64). Needed with O(state=present).
    type: str
  state:
    description: V(absent) leaves the choice to the rest of the boot loader's configuration, as it was before.
    type: str
    choices: [present, absent]
    default: present
  fallback:
    description: Whether another kernel than the running one is tried once.
    type: bool
    default: true
  retry:
    description: Whether a kernel that did not come up is tried again.
    type: bool
    default: false
notes:
  - Without an installed kernel that matches, check mode reports C(drifted), because the package that brings it may not be installed yet;
    otherwise it is an error.
seealso:
  - module: hft.ops.kernel_cmdline
"""

EXAMPLES = r"""
- name: The real-time kernel
  hft.ops.boot_kernel:
    pattern: .*-rt-amd64
"""

RETURN = r"""
items:
  description: How the kernel stands, and the fallback.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: 'C(kernel) or C(boot once).', type: str}
    status:
      description: 'C(applied), C(pending_reboot), C(drifted), C(not_applicable) or C(failed).'
      type: str
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The release., type: str}
    persisted: {description: The release that boots by default., type: str}
    booted: {description: The release that runs., type: str}
    live: {description: Always null., type: str}
boot_loader:
  description: V(grub), V(grubby), V(systemd-boot), or null when none is known.
  returned: success
  type: str
installed:
  description: Releases of the installed kernels that the boot loader knows, the newest first.
  returned: success
  type: list
  elements: str
fell_back:
  description: Whether the last change did not come up, and the host runs the entry before it.
  returned: success
  type: bool
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
reboot_required:
  description: Whether another kernel than the running one boots next.
  returned: success
  type: bool
reboot_reasons:
  description: Why.
  returned: success
  type: list
  elements: str
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._boot_grub import Grub
from ansible_collections.hft.ops.plugins.module_utils._boot_loader import BootLoader, boot_loader
from ansible_collections.hft.ops.plugins.module_utils._boot_trial import OWNER as TRIAL
from ansible_collections.hft.ops.plugins.module_utils._boot_trial import BootTrial
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import (
    APPLIED,
    DRIFTED,
    FAILED,
    NOT_APPLICABLE,
    PENDING_REBOOT,
    Item,
    reboot_result,
)
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

_OWNER = "boot_kernel"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pattern": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "fallback": {"type": "bool", "default": True},
            "retry": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ["pattern"])],
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord(_OWNER))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    pattern = _pattern(params)
    running = (host.read("/proc/sys/kernel/osrelease") or "").strip()
    loader, missing = boot_loader(host, run_command)
    if loader is None:
        item = Item("kernel", NOT_APPLICABLE, params["pattern"], booted=running, reason=missing)
        return _result([item], None, [], False)
    installed = sorted(loader.kernels(), key=_version, reverse=True)
    wanted = None if pattern is None else next(filter(pattern.fullmatch, installed), None)
    if pattern is not None and wanted is None:
        reason = f"no installed kernel matches {params['pattern']}; installed are {', '.join(installed) or 'none'}"
        if not plan.check_mode:
            raise HostError(f"pattern {params['pattern']}: {reason}; install one first, or correct the pattern")
        item = Item("kernel", DRIFTED, params["pattern"], loader.default_release, running, reason=reason)
        return _result([item], loader, installed, False)
    loader.stage_default(plan, wanted)
    trial = BootTrial(host, run_command, loader) if isinstance(loader, Grub) else None
    impossible = trial.impossible() if trial else getattr(loader, "no_trial", "")
    if trial is not None:
        _stage_trial(params, wanted, running, loader, trial, impossible, plan)

    def verify() -> None:
        if wanted is not None and loader.default_release != wanted:
            raise HostError(f"kernel {wanted}: was made the default, but {loader.default_release} is; "
                            "look for what changes it, such as GRUB_DEFAULT in a later file of /etc/default/grub.d, or bootctl set-default")

    plan.run(verify)
    fell_back = trial is not None and trial.fell_back
    items = [_item(wanted, loader.default_release, running, fell_back)]
    if trial is not None and params["fallback"] and wanted is not None:
        items.append(trial.item(impossible))
    return _result(items, loader, installed, fell_back)


def _pattern(params: dict[str, Any]) -> re.Pattern[str] | None:
    if params["state"] == "absent":
        return None
    try:
        return re.compile(params["pattern"])
    except re.error as wrong:
        raise HostError(f"pattern {params['pattern']!r}: is no regular expression ({wrong}); write one such as .*-rt-amd64") from wrong


def _stage_trial(params: dict[str, Any], wanted: str | None, running: str, loader: BootLoader, trial: BootTrial, impossible: str | None,
                 plan: Plan) -> None:
    if wanted is None:
        if not set(loader.owners()) - {_OWNER, TRIAL}:
            trial.disarm(plan)
        return
    # The package's own hook may have made the kernel the default already, so it counts what runs and not what was written.
    untried = wanted != running and (plan.differences or trial.state is None or (params["retry"] and trial.fell_back))
    if params["fallback"] and impossible is None and untried:
        trial.arm(plan)


def _item(wanted: str | None, default: str | None, running: str, fell_back: bool) -> Item:
    if wanted is None:
        if default in (None, running):
            return Item("kernel", APPLIED, None, default, running)
        return Item("kernel", PENDING_REBOOT, None, default, running, reason=f"{default} boots next; {running} runs")
    if default != wanted:
        return Item("kernel", DRIFTED, wanted, default, running)
    if running != wanted and fell_back:
        reason = f"{wanted} did not come up, and the host runs {running}; choose another kernel, or set retry"
        return Item("kernel", FAILED, wanted, default, running, reason=reason)
    if running != wanted:
        return Item("kernel", PENDING_REBOOT, wanted, default, running, reason=f"{running} runs")
    return Item("kernel", APPLIED, wanted, default, running)


def _version(release: str) -> list[tuple[int, str]]:
    """Numbers by value and words by letter, as the packages order them."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", release) if part]


def _result(items: list[Item], loader: BootLoader | None, installed: list[str], fell_back: bool) -> dict[str, Any]:
    return {"items": [item.shown() for item in items], "boot_loader": None if loader is None else loader.name, "installed": installed,
            "fell_back": fell_back, **reboot_result(items)}


if __name__ == "__main__":
    main()
