#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_config
short_description: Change the network of a host, which returns to the old one by itself unless told that it is still reached
version_added: 0.1.0
description:
  - Replaces network files and has the host take them up. Before that it starts a timer on the host, which puts the old files back and takes
    those up unless O(state=confirmed) stops it in time. A host that the change cuts off comes back without anybody's hands.
  - The change begins O(apply_after_s) after the module has answered, so that the answer is not lost with the connection.
  - A change that waits for its confirmation is not changed again; the module refuses another one until then.
  - A reboot in that time ends the timer, and the new files stay.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  state:
    description:
      - V(applied) replaces the files where they differ and has them taken up.
      - V(confirmed) keeps what was applied, and fails where nothing waits for that any more, because the old files are back. It ends the
        change that V(applied) told, so it tells none itself.
      - A connection that was there before the change proves nothing, and is refused. SSH keeps connections open for the next task; with the
        variable C(ansible_control_path) at V(none) a task makes its own.
    type: str
    choices: [applied, confirmed]
    default: applied
  files:
    description: The files, each with its whole content; C(null) for one that is not to be there. Required with O(state=applied).
    type: dict
  apply:
    description:
      - Commands that have the host take the files up, each a list of program and arguments. For systemd-networkd C(networkctl reload) and
        C(networkctl reconfigure) of the links whose addresses change; for netplan C(netplan apply).
      - Required with O(state=applied).
    type: list
    elements: list
  mode:
    description: Permission bits of the files, as an octal string; netplan wants V('0600').
    type: str
    default: '0644'
  return_after_s:
    description: Seconds after the change at which the old files come back, 10 to 3600.
    type: int
    default: 60
  apply_after_s:
    description: Seconds between the module's answer and the change, 1 to 60.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: A static address
  hft.ops.network_config:
    files:
      /etc/systemd/network/60-hft-eth0.network: |
        [Match]
        Name=eth0
        [Network]
        Address=10.0.0.10/24
        Gateway=10.0.0.1
    apply: [[networkctl, reload], [networkctl, reconfigure, eth0]]
  register: network

- name: Ask over a new connection
  ansible.builtin.wait_for_connection:
    delay: 5
    timeout: 40
  vars:
    ansible_control_path: none
  when: network.returns

- name: Keep it
  hft.ops.network_config:
    state: confirmed
  vars:
    ansible_control_path: none
  when: network.returns
"""

RETURN = r"""
returns:
  description: Whether a change waits for its confirmation.
  returned: success
  type: bool
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
"""

import re
import shlex
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

_KIT = "/var/lib/hft_ops/network_return"
_SCRIPT = f"{_KIT}/return.sh"
_TAKEN_UP = f"{_KIT}/taken_up"
_RETURN = "hft-network-return"
_APPLY = "hft-network-apply"

_Run = Callable[[list], tuple]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["applied", "confirmed"], "default": "applied"},
            "files": {"type": "dict"},
            "apply": {"type": "list", "elements": "list"},
            "mode": {"type": "str", "default": "0644"},
            "return_after_s": {"type": "int", "default": 60},
            "apply_after_s": {"type": "int", "default": 2},
        },
        required_if=[("state", "applied", ["files", "apply"])],
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("network_config"))
    try:
        returns = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(returns=returns, **plan.result())


def apply(given: dict[str, Any], host: Host, run: _Run, plan: Plan) -> bool:
    """Plan and, outside check mode, run; whether a change waits for its confirmation."""
    systemctl = Systemctl(run)
    waits = systemctl.units([f"{_RETURN}.timer"])[f"{_RETURN}.timer"].running
    if given["state"] == "confirmed":
        # The end of a change that was told already, and no other one.
        if plan.check_mode:
            return waits
        if not waits:
            raise HostError("state confirmed: no change waits for it; where one did, this came too late and the old network is back")
        _refuse_what_proves_nothing(host)
        systemctl.do("stop", [f"{_RETURN}.timer"])
        return False
    _refuse_bad_input(given)
    found = {path: host.owned_file(path) for path in given["files"]}
    for path, content in given["files"].items():
        plan.file(found[path], content, mode=int(given["mode"], 8), owner=host.system_owner, group=host.system_owner)
    if not plan.differences:
        return waits
    if waits:
        raise HostError(f"{_RETURN}.timer: another change waits for its confirmation; confirm it, or wait until the old network is back")
    changed = list(dict.fromkeys(difference.path.removesuffix(" (mode)").removesuffix(" (owner)") for difference in plan.differences))
    script = host.owned_file(_SCRIPT)
    kit = _script({path: f"{_KIT}/{number}" for number, path in enumerate(changed) if found[path].before is not None}, changed,
                  given["apply"])
    # Written, and its timer started, before any file of the network is touched.
    safety = Plan(plan.check_mode)
    for number, path in enumerate(changed):
        safety.file(host.owned_file(f"{_KIT}/{number}"), found[path].before, mode=0o600)
    safety.file(script, kit, mode=0o700)
    safety.file(host.owned_file(_TAKEN_UP), None)
    safety.change(Difference("live", f"{_RETURN}.timer", "inactive", "active"), undo=lambda: systemctl.do("stop", [f"{_RETURN}.timer"]),
                  write=lambda: _later(run, _RETURN, given["apply_after_s"] + given["return_after_s"], ["/bin/sh", _SCRIPT]))
    safety.run()
    commands = " && ".join(shlex.join(command) for command in given["apply"])
    plan.change(Difference("live", "network", "as before", f"taken up by {commands}"),
                write=lambda: _later(run, _APPLY, given["apply_after_s"],
                                     ["/bin/sh", "-c", f"{commands} && cat /proc/self/stat > {_TAKEN_UP}"]))
    try:
        plan.run()
    except HostError:
        systemctl.do("stop", [f"{_RETURN}.timer"])
        raise
    return True


def _refuse_bad_input(given: dict[str, Any]) -> None:
    problems = [f"files: {path}: expected an absolute path below /etc" for path in given["files"] if not path.startswith("/etc/")]
    problems += [f"files: {path}: expected its content as text, or null" for path, content in given["files"].items()
                 if not isinstance(content, (str, type(None)))]
    if not given["apply"] or not all(given["apply"]):
        problems.append("apply: expected one command at least, such as [netplan, apply]")
    if not re.fullmatch(r"0?[0-7]{3}", given["mode"]):
        problems.append(f"mode {given['mode']}: expected octal digits such as '0644'")
    for option, least, most in (("return_after_s", 10, 3600), ("apply_after_s", 1, 60)):
        if not least <= given[option] <= most:
            problems.append(f"{option} {given[option]}: expected {least} to {most}")
    if problems:
        raise HostError("; ".join(problems))


def _refuse_what_proves_nothing(host: Host) -> None:
    """HostError unless the SSH connection that this module came over is younger than the change."""
    taken_up = host.read(_TAKEN_UP)
    if not taken_up:
        raise HostError(f"{_RETURN}.timer: the change is not taken up (look with: journalctl -u {_APPLY}); try again, or wait until the old"
                        " network is back")
    began = _connection_began(host)
    if began is not None and began <= _Process(taken_up).began:
        raise HostError("state confirmed: this connection is older than the change, which proves nothing; use a new one (variable"
                        " ansible_control_path: none, and no ControlPath in ansible_ssh_args), or wait until the old network is back")


def _connection_began(host: Host) -> int | None:
    """Clock ticks since the boot at which the SSH connection began; None where there is none, as on a local connection."""
    sessions = []
    process = _Process(host.read("/proc/self/stat") or "")
    while process.parent > 0:
        process = _Process(host.read(f"/proc/{process.parent}/stat") or "")
        if process.name.startswith("sshd"):
            sessions.append(process.began)
    # The outermost one listens for all connections.
    return (sessions[:-1] or sessions or [None])[-1]


class _Process:
    """A line of /proc/PID/stat; a process that is gone has no parent."""

    def __init__(self, stat: str) -> None:
        before, _sep, after = stat.rpartition(")")
        fields = after.split()
        self.name = before.partition("(")[2]
        self.parent = int(fields[1]) if fields else 0
        self.began = int(fields[19]) if fields else 0


def _script(kept: dict[str, str], changed: list[str], commands: list[list[str]]) -> str:
    """Puts the old files back and has them taken up; goes on after a command that fails, because nobody is there to mend it."""
    lines = ["#!/bin/sh", "# Managed by hft.ops.network_config: the way back from a change that nobody confirmed."]
    lines += [shlex.join(["cp", "--", kept[path], path]) if path in kept else shlex.join(["rm", "-f", "--", path]) for path in changed]
    lines += [shlex.join(command) for command in commands]
    return "\n".join([*lines, "logger -t hft-network-return 'the change of the network was not confirmed: the old one is back'"]) + "\n"


def _later(run: _Run, unit: str, after_s: int, argv: list[str]) -> None:
    code, out, err = run(["systemd-run", f"--unit={unit}", f"--on-active={after_s}s", "--timer-property=AccuracySec=100ms", "--collect",
                          *argv])
    if code != 0:
        raise HostError(f"systemd-run {unit}: {(err or out).strip()}; the network is as it was")


if __name__ == "__main__":
    main()
