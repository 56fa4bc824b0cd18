# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A change of what boots is tried once: a boot that does not come up is followed by the entry before the change.

grubenv holds hft_trial: armed (the next boot is the trial), tried (it was begun and not confirmed: the entry before boots from now
on), absent (confirmed). GRUB itself moves armed to tried before it starts the kernel, so a kernel that hangs, panics or has no disk
cannot be tried twice; hft-boot-confirm.service removes the variable once the host is up with the network cards that were up before.
GRUB_DEFAULT stays as it is, so newer kernels boot as the host's owner decided.
"""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._boot_grub import ENVIRONMENT, MENU, Grub
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import environment
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, FAILED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument, line_of, parsed, with_key
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand, Systemctl
from ansible_collections.hft.ops.plugins.module_utils._topology import Topology

OWNER = "boot_trial"
ITEM = "boot once"
_PREVIOUS = "hft-previous"
# Linux takes an argument with a dot for a module's and passes it by; /proc/cmdline shows it.
_MARK = Argument("hft.previous")
_SCRIPT = "/etc/grub.d/42_hft_boot_trial"
_PROGRAM = "/usr/local/sbin/hft-boot-confirm"
_UNIT = "hft-boot-confirm.service"
_UNIT_PATH = f"/etc/systemd/system/{_UNIT}"
# A kernel that panics, and an initramfs without a disk, must restart the host, or nothing falls back.
_PANIC = Argument("panic", "30")
_HEADER = "# Managed by hft.ops.kernel_cmdline as a whole: edits are removed by the next change of what boots.\n"
_MENU_TEXT = f"""\
if [ "${{hft_trial}}" = "armed" ]; then
  set hft_trial=tried
  save_env hft_trial
elif [ "${{hft_trial}}" = "tried" -a -z "${{boot_once}}" ]; then
  set default="{_PREVIOUS}"
fi
set fallback="{_PREVIOUS}"
"""
_CONFIRM = """\
set -eu
case " $(cat /proc/cmdline) " in *" hft.previous "*) echo 'the change did not come up: this is the entry before it'; exit 0 ;; esac
[ "$(grub-editenv {environment} list | sed -n 's/^hft_trial=//p')" = tried ] || exit 0
waited_s=0
for nic in {nics}; do
  until [ "$(cat "/sys/class/net/$nic/operstate" 2>/dev/null)" = up ]; do
    if [ "$waited_s" -ge 120 ]; then
      echo "$nic is not up after 120 s: back to the entry before the change"
      systemctl reboot
      exit 1
    fi
    sleep 1
    waited_s=$((waited_s + 1))
  done
done
grub-editenv {environment} unset hft_trial
echo 'the change came up and is confirmed'
"""
_UNIT_TEXT = f"""\
[Unit]
Description=Confirm that the changed boot entry came up
DefaultDependencies=no
Requires=local-fs.target
After=local-fs.target multi-user.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={_PROGRAM}

[Install]
WantedBy=multi-user.target
"""


class BootTrial:
    """The way back from a boot that does not come up, on a host with this boot loader."""

    def __init__(self, host: Host, run_command: RunCommand, grub: Grub) -> None:
        self._host = host
        self._run_command = run_command
        self._grub = grub

    @property
    def state(self) -> str | None:
        return environment(self._host.read(ENVIRONMENT)).get("hft_trial")

    @property
    def fell_back(self) -> bool:
        """Whether the last change was tried, did not come up, and the host runs the entry before it."""
        return self.state == "tried" and self._on_previous

    @property
    def _on_previous(self) -> bool:
        return _MARK in parsed(self._host.read("/proc/cmdline") or "")

    def impossible(self) -> str | None:
        """Why this host cannot fall back by itself; None when it can."""
        try:
            self._previous()
        except HostError as why:
            return str(why)
        # Plain disks only: GRUB cannot write its environment to RAID, LVM, btrfs and ZFS, and would try the change for ever.
        for target, plain in (("abstraction", ("",)), ("fs", ("ext2", "xfs", "fat"))):
            rc, out, err = self._run_command(["grub-probe", f"--target={target}", "/boot/grub"])
            if rc != 0:
                return f"grub-probe: {(err or out).strip() or rc}"
            if out.strip() not in plain:
                return f"/boot/grub is on {out.strip()}, where GRUB cannot write its environment"
        return None

    def arm(self, plan: Plan) -> None:
        """State everything that lets the next boot be tried once."""
        owner = self._host.system_owner
        nics = [name for name, nic in Topology(self._host).nics.items() if nic.up]
        script = f"#!/bin/sh\n{_HEADER}cat <<'EOF'\n{_MENU_TEXT}{self._previous()}\nEOF\n"
        program = f"#!/bin/sh\n{_HEADER}{_CONFIRM.format(environment=ENVIRONMENT, nics=' '.join(nics))}"
        others = [one for one in parsed(self._grub.command_line) if one not in self._grub.owned(OWNER)]
        if not with_key(others, "panic"):
            self._grub.stage(plan, OWNER, [_PANIC], ["panic"])
        for path, content, mode in ((_SCRIPT, script, 0o755), (_PROGRAM, program, 0o755), (_UNIT_PATH, _HEADER + _UNIT_TEXT, 0o644)):
            plan.file(self._host.owned_file(path), content, mode, owner, owner)
        self._grub.stage_menu(plan)
        systemctl = Systemctl(self._run_command)
        found = systemctl.units([_UNIT])[_UNIT].enablement
        if found != "enabled":
            plan.change(Difference("persisted", _UNIT, found, "enabled"), write=lambda: systemctl.do("enable", [_UNIT]),
                        undo=lambda: systemctl.do("disable", [_UNIT]))
        self._set(plan, "armed")

    def disarm(self, plan: Plan) -> None:
        """Remove everything that arm has written."""
        systemctl = Systemctl(self._run_command)
        if self._host.path(_UNIT_PATH).exists():
            found = systemctl.units([_UNIT])[_UNIT].enablement
            if found == "enabled":
                plan.change(Difference("persisted", _UNIT, found, "disabled"), write=lambda: systemctl.do("disable", [_UNIT]),
                            undo=lambda: systemctl.do("enable", [_UNIT]))
        written = [plan.file(self._host.owned_file(path), None) for path in (_SCRIPT, _PROGRAM, _UNIT_PATH)]
        self._grub.stage(plan, OWNER, [], [])
        if any(written):
            self._grub.stage_menu(plan)
        self._set(plan, None)

    def _set(self, plan: Plan, wanted: str | None) -> None:
        before = self.state
        if before != wanted:
            plan.change(Difference("persisted", "grubenv hft_trial", before, wanted),
                        write=lambda: self._edit(wanted), undo=lambda: self._edit(before))

    def _edit(self, value: str | None) -> None:
        verb = ["unset", "hft_trial"] if value is None else ["set", f"hft_trial={value}"]
        rc, out, err = self._run_command(["grub-editenv", ENVIRONMENT, *verb])
        if rc != 0:
            raise HostError(f"grub-editenv {ENVIRONMENT}: {(err or out).strip() or rc}; make room on /boot, or mend that file")

    def _previous(self) -> str:
        """The entry that the host runs now, with the arguments that it was booted with."""
        running = [one for one in parsed(self._host.read("/proc/cmdline") or "") if one != _MARK]
        image = next((one.value or "" for one in running if one.name == "BOOT_IMAGE"), "")
        kernel = image[image.find("/"):] if "/" in image else image
        entry = next((one for one in self._grub.menu.entries() if one.kernel == kernel and one.id != _PREVIOUS), None)
        if entry is None:
            raise HostError(f"no entry of {MENU} boots the kernel that this host runs ({kernel or 'not named in /proc/cmdline'})")
        arguments = [one for one in running if one.name != "BOOT_IMAGE"]
        return entry.renamed("hft.ops: as before the last change", _PREVIOUS, line_of([*arguments, _MARK]))

    def item(self, impossible: str | None) -> Item:
        wanted = "the entry before the change boots when the change does not come up"
        if impossible is not None:
            return Item(ITEM, NOT_APPLICABLE, wanted, reason=impossible)
        if self.fell_back:
            return Item(ITEM, FAILED, wanted, self.state, reason="the change did not come up; the host runs the entry before it")
        if self.state == "armed":
            # Ready as it is: what waits for the boot says so itself.
            return Item(ITEM, APPLIED, wanted, self.state, reason="the next boot is tried once")
        if self.state == "tried":
            return Item(ITEM, APPLIED, wanted, self.state, reason=f"this boot is the trial; {_UNIT} has not confirmed it yet")
        return Item(ITEM, APPLIED, wanted)
