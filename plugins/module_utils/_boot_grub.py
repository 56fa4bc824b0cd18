# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. GRUB as Debian and Ubuntu run it: /etc/default/grub.d, update-grub, and the menu that it writes.

Each owner of arguments has one file, read by a shell: it keeps what other files gave, without the keys that it states itself. So
nothing of another's is edited, and with the file everything that it did is gone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from ansible_collections.hft.ops.plugins.module_utils._boot_owned import FORM, variable
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import Entry, Menu, environment
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument, line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

MENU = "/boot/grub/grub.cfg"
ENVIRONMENT = "/boot/grub/grubenv"
FOLDER = "/etc/default/grub.d"
PROGRAM = "/usr/sbin/update-grub"
_DEFAULT = f"{FOLDER}/60-hft-boot_kernel.cfg"
_DEFAULT_HEADER = "# Managed by hft.ops.boot_kernel as a whole: edits are removed by the next run.\n"
_OWNED = re.compile(r"60-hft-([a-z0-9_]+)\.cfg")
_LATER = re.compile(r"^\s*(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)=(.*)$", re.MULTILINE)
# Read by the shell of update-grub.
_SHELL = """\
hft_others() { set -f; for word in $1; do case " $hft_keys " in *" ${word%%=*} "*) ;; *) printf '%s ' "$word" ;; esac; done; }
GRUB_CMDLINE_LINUX="$(hft_others "$GRUB_CMDLINE_LINUX")"
GRUB_CMDLINE_LINUX_DEFAULT="$(hft_others "$GRUB_CMDLINE_LINUX_DEFAULT")$hft_arguments"
"""


class Grub:
    """The menu as it is now; what boots next by default is its default entry."""

    name = "grub"

    def __init__(self, host: Host, run_command: RunCommand) -> None:
        self._host = host
        self._run_command = run_command
        self._staged = False
        self.read()

    @staticmethod
    def missing(host: Host) -> str | None:
        """Why this host has no such boot loader; None when it has."""
        return next((f"ENOENT: {path}" for path in (PROGRAM, MENU) if not host.path(path).exists()), None)

    def read(self) -> None:
        self.menu = Menu(self._host.read(MENU) or "")
        self.environment = environment(self._host.read(ENVIRONMENT))

    @property
    def default(self) -> Entry:
        entry = self.menu.default(self.environment.get("saved_entry"))
        if entry is None:
            raise HostError(f"{MENU}: has no entry that boots a kernel; run update-grub on the host and read what it says")
        return entry

    @property
    def command_line(self) -> str:
        """What the default entry gives to its kernel, as /proc/cmdline will show it."""
        return f"BOOT_IMAGE={self.default.kernel} {line_of(parsed(self.default.arguments))}"

    def path(self, owner: str) -> str:
        return f"{FOLDER}/60-hft-{owner}.cfg"

    def owned(self, owner: str) -> list[Argument]:
        """The arguments in that owner's file."""
        return parsed(variable(self._host.read(self.path(owner)), "hft_arguments"))

    def owners(self) -> dict[str, set[str]]:
        """The keys that each owner states, by its name."""
        names = [found[1] for found in map(_OWNED.fullmatch, self._host.names(FOLDER)) if found]
        return {name: {key.replace("-", "_") for key in variable(self._host.read(self.path(name)), "hft_keys").split()} for name in names}

    def conflicts(self, owner: str) -> list[str]:
        """Files that are read after the owner's and throw its arguments away."""
        ours = f"60-hft-{owner}.cfg"
        found = []
        for name in self._host.names(FOLDER):
            if name > ours and name.endswith(".cfg"):
                for variable, value in _LATER.findall(self._host.read(f"{FOLDER}/{name}") or ""):
                    if variable == "GRUB_CMDLINE_LINUX_DEFAULT" and not re.search(r"\$\{?GRUB_CMDLINE_LINUX_DEFAULT", value):
                        found.append(f"{FOLDER}/{name}: is read after {self.path(owner)} and sets {variable} anew; "
                                     "let it add to what is there, or remove it")
        return found

    def kernels(self) -> dict[str, Entry]:
        """The entry of each installed kernel, by its release."""
        found: dict[str, Entry] = {}
        for entry in self.menu.entries():
            release = entry.release
            if release and "recovery" not in entry.id and entry.id != "hft-previous" and (release not in found or release in entry.id):
                found[release] = entry
        return found

    @property
    def default_release(self) -> str | None:
        return self.default.release

    def stage_default(self, plan: Plan, release: str | None) -> None:
        """State which kernel boots by default; None leaves it to the rest of the configuration."""
        file = self._host.owned_file(_DEFAULT)
        if release is not None and file.before is None and self.default_release == release:
            return
        content = None if release is None else f"{_DEFAULT_HEADER}GRUB_DEFAULT={shlex.quote(self.kernels()[release].path)}\n"
        if plan.file(file, content, 0o644, self._host.system_owner, self._host.system_owner):
            self.stage_menu(plan)

    def stage(self, plan: Plan, owner: str, arguments: list[Argument], keys: Iterable[str]) -> None:
        """State the owner's file; keys: those that no other file may set. No file when there is nothing to say."""
        spelt = sorted({spelling for key in keys for spelling in (key, key.replace("-", "_"), key.replace("_", "-"))})
        content = FORM.format(keys=shlex.quote(" ".join(spelt)), arguments=shlex.quote(line_of(arguments))) + _SHELL if spelt else None
        if plan.file(self._host.owned_file(self.path(owner)), content, 0o644, self._host.system_owner, self._host.system_owner):
            self.stage_menu(plan)

    def stage_menu(self, plan: Plan) -> None:
        """The menu is written anew, once, after the files; and again after they were taken back."""
        if not self._staged:
            plan.follow_up(self._write_menu)
            self._staged = True

    def _write_menu(self) -> None:
        before = self._host.read(MENU)
        rc, out, err = self._run_command([PROGRAM])
        if rc != 0:
            if before is not None and self._host.read(MENU) != before:
                file = self._host.owned_file(MENU)
                file.replace(before, file.mode or 0o444)
            raise HostError(f"update-grub: {_reason(err or out)}; the menu is as before")
        self.read()


def _reason(text: str) -> str:
    """The line that says why: the first one with "error" in it, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), (lines or ["no reason given"])[-1]).rstrip(".")
