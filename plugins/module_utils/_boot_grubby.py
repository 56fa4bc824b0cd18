# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Boot loader entries of the RHEL family, edited by grubby."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.hft.ops.plugins.module_utils._boot_owned import Ledger
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument, line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

PROGRAM = "/usr/sbin/grubby"


class Grubby(Ledger):
    """One command line for all installed kernels; kernels that are installed later inherit it."""

    name = "grubby"
    no_trial = "entries that grubby edits are not tried once"

    @staticmethod
    def missing(host: Host) -> str | None:
        return None if host.path(PROGRAM).exists() else f"ENOENT: {PROGRAM}"

    def read(self) -> None:
        out = self._grubby("--info=DEFAULT")
        found = dict(re.findall(r'^(kernel|args|root)="?(.*?)"?$', out, re.MULTILINE))
        # grubby shows quotes of a value as they are in its own quotes.
        self._arguments = parsed(found.get("args", ""))
        self.command_line = f"BOOT_IMAGE={found.get('kernel', '')} root={found.get('root', '')} {line_of(self._arguments)}"

        self.default_release = found.get("kernel", "").rpartition("vmlinuz-")[2] or None

    def kernels(self) -> dict[str, str]:
        paths = re.findall(r'^kernel="?(.*?)"?$', self._grubby("--info=ALL"), re.MULTILINE)
        return {path.rpartition("vmlinuz-")[2]: path for path in paths if "rescue" not in path}

    def stage_default(self, plan: Plan, release: str | None) -> None:
        before = self.default_release
        wanted = release or self.default_before or before
        # A kernel that has been removed since cannot be the default again.
        if wanted != before and wanted in self.kernels():
            plan.change(Difference("persisted", "default kernel", before, wanted), write=lambda: self._set_default(wanted),
                        undo=lambda: self._set_default(before))
        if release is None or wanted != before:
            self.stage_default_before(plan, None if release is None else before or "")

    def _set_default(self, release: str | None) -> None:
        if release in self.kernels():
            self._grubby(f"--set-default={self.kernels()[release]}")
            self.read()

    def conflicts(self, _owner: str) -> list[str]:
        return []

    def stage(self, plan: Plan, owner: str, arguments: list[Argument], keys: Iterable[str]) -> None:
        keys = sorted(keys)
        line, replaced = self.merged(self._arguments, owner, arguments, keys)
        before = list(self._arguments)
        if line != before:
            plan.change(Difference("persisted", "arguments of all boot entries", line_of(before), line_of(line)),
                        write=lambda: self._replace(before, line), undo=lambda: self._replace(line, before))
        super().stage(plan, owner, arguments, keys, replaced)

    def _replace(self, before: list[Argument], after: list[Argument]) -> None:
        # By text: removing "console=ttyS0" leaves another console alone.
        gone, new = [one for one in before if one not in after], [one for one in after if one not in before]
        words = [*([f"--remove-args={line_of(gone)}"] if gone else []), *([f"--args={line_of(new)}"] if new else [])]
        self._grubby("--update-kernel=ALL", *words)
        self.read()

    def _grubby(self, *words: str) -> str:
        rc, out, err = self._run_command([PROGRAM, *words])
        if rc != 0:
            raise HostError(f"grubby {words[0]}: {(err or out).strip() or rc}; run it on the host and mend what it names")
        return out
