# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Which arguments of the kernel's command line belong to which owner: one file each, in the shell's form.

With GRUB that file is what update-grub reads; other boot loaders have no place of their own for it, so it is kept as a ledger.
"""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable

from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument, line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

FORM = """\
# Managed by hft.ops.kernel_cmdline as a whole: edits are removed by the next run.
# What others gave is kept, without these keys; the arguments are added to it.
hft_keys={keys}
hft_arguments={arguments}
"""
_DEFAULT = "/var/lib/hft_ops/boot_kernel"
_DEFAULT_HEADER = "# Managed by hft.ops.boot_kernel as a whole: edits are removed by the next run.\n"
_FOLDER = "/var/lib/hft_ops/kernel_cmdline"


def variable(text: str | None, name: str) -> str:
    """The value of a variable in such a file, empty without one."""
    found = re.search(rf"^{name}=(.*)$", text or "", re.MULTILINE)
    return " ".join(shlex.split(found[1])) if found else ""


class Ledger(ABC):
    """The files of a boot loader that has one command line for all owners. replaced: what was taken out of it and comes back."""

    default_release: str | None = None

    def __init__(self, host: Host, run_command: RunCommand) -> None:
        self._host = host
        self._run_command = run_command
        self.read()

    @abstractmethod
    def read(self) -> None:
        """Ask the boot loader how it stands now; raises HostError when it does not say."""

    @abstractmethod
    def kernels(self) -> dict[str, str]:
        """What the boot loader calls each installed kernel, by its release."""

    @abstractmethod
    def stage_default(self, plan: Plan, release: str | None) -> None:
        """State which kernel boots by default; None gives back the one that did before."""

    @property
    def default_before(self) -> str | None:
        """What stage_default_before has kept; None when nothing was."""
        text = self._host.read(_DEFAULT)
        return None if text is None else variable(text, "hft_before")

    def stage_default_before(self, plan: Plan, before: str | None) -> None:
        """Keep the default that was there before the first change; None forgets it."""
        file = self._host.owned_file(_DEFAULT)
        if before is None:
            plan.file(file, None)
        elif file.before is None:
            owner = self._host.system_owner
            plan.file(file, f"{_DEFAULT_HEADER}hft_before={shlex.quote(before)}\n", 0o644, owner, owner)

    def path(self, owner: str) -> str:
        return f"{_FOLDER}/{owner}"

    def owned(self, owner: str) -> list[Argument]:
        return parsed(variable(self._host.read(self.path(owner)), "hft_arguments"))

    def replaced(self, owner: str) -> list[Argument]:
        return parsed(variable(self._host.read(self.path(owner)), "hft_replaced"))

    def owners(self) -> dict[str, set[str]]:
        return {name: set(variable(self._host.read(self.path(name)), "hft_keys").split()) for name in self._host.names(_FOLDER)}

    def merged(
        self, line: list[Argument], owner: str, arguments: list[Argument], keys: Iterable[str],
    ) -> tuple[list[Argument], list[Argument]]:
        """The new command line, and what of others it leaves out."""
        ours, keys = self.owned(owner), {key.replace("-", "_") for key in keys}
        others = [one for one in line if one not in ours] + [one for one in self.replaced(owner) if one not in line]
        replaced = [one for one in others if one.key in keys]
        merged = [one for one in others if one.key not in keys] + arguments
        # Each owner adds its own at the end, so two of them would change places for ever.
        stands = [one for one in line if one in arguments] == arguments and sorted(map(str, line)) == sorted(map(str, merged))
        return line if stands else merged, replaced

    def stage(self, plan: Plan, owner: str, arguments: list[Argument], keys: Iterable[str], replaced: list[Argument]) -> bool:
        content = FORM.format(keys=shlex.quote(" ".join(sorted(keys))), arguments=shlex.quote(line_of(arguments)))
        content += f"hft_replaced={shlex.quote(line_of(replaced))}\n"
        return plan.file(self._host.owned_file(self.path(owner)), content if keys else None, 0o644,
                         self._host.system_owner, self._host.system_owner)
