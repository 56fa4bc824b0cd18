# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. systemd-boot: /etc/kernel/cmdline, from which kernel-install writes an entry for every kernel, and loader.conf.

The default is stated in loader.conf and not by an EFI variable, as bootctl would: a real-time kernel starts without the services of the
firmware (efi=noruntime), so it can neither write such a variable nor read one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ansible_collections.hft.ops.plugins.module_utils._boot_owned import Ledger
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument, line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan

_LINE = "/etc/kernel/cmdline"
_LOADERS = ("/boot/loader/loader.conf", "/efi/loader/loader.conf", "/boot/efi/loader/loader.conf")
# Added by the boot loader itself, or of one entry alone.
_OF_THE_ENTRY = ("BOOT_IMAGE", "initrd")
_DEFAULT = re.compile(r"^default[ \t]+(\S.*?)[ \t]*(?:\n|\Z)", re.MULTILINE)


class SystemdBoot(Ledger):
    """One command line for all kernels that kernel-install has made entries for."""

    name = "systemd-boot"
    no_trial = "entries of systemd-boot are not tried once"

    @staticmethod
    def missing(host: Host) -> str | None:
        return None if _loader_conf(host) else f"ENOENT: {_LOADERS[0]}"

    def read(self) -> None:
        rc, out, err = self._run_command(["bootctl", "list", "--json=short"])
        try:
            entries = json.loads(out) if rc == 0 else None
        except ValueError:
            entries = None
        if entries is None:
            raise HostError(f"bootctl list: {(err or out).strip() or rc}; mount the EFI system partition and run it on the host")
        default = next((entry for entry in entries if entry.get("isDefault")), {})
        self.command_line = default.get("options", "")
        self._ids = {entry["version"]: entry["id"] for entry in entries if entry.get("version") and entry.get("id")}
        self.default_release = default.get("version")

    def kernels(self) -> dict[str, str]:
        return self._ids

    def stage_default(self, plan: Plan, release: str | None) -> None:
        file = self._host.owned_file(_loader_conf(self._host) or _LOADERS[0])
        text = file.before or ""
        found = _DEFAULT.search(text)
        before = found[1] if found else ""
        kept = before if self.default_before is None else self.default_before
        wanted = kept if release is None else before if release == self.default_release else self.kernels()[release]
        if wanted != before:
            others = _DEFAULT.sub("", text)
            content = others + ("\n" if others and not others.endswith("\n") else "") + (f"default {wanted}\n" if wanted else "")
            # A FAT file system has one mode for all files.
            plan.file(file, content, file.mode or 0o644)
            plan.follow_up(self.read)
        if release is None or wanted != before:
            self.stage_default_before(plan, None if release is None else before)

    def conflicts(self, _owner: str) -> list[str]:
        return []

    def stage(self, plan: Plan, owner: str, arguments: list[Argument], keys: Iterable[str]) -> None:
        keys = sorted(keys)
        file = self._host.owned_file(_LINE)
        # Without the file kernel-install takes the running kernel's line.
        text = file.before if file.before is not None else self._host.read("/proc/cmdline")
        base = [one for one in parsed(text or "") if one.name not in _OF_THE_ENTRY]
        line, replaced = self.merged(base, owner, arguments, keys)
        written = line != base and plan.file(file, line_of(line) + "\n", 0o644, self._host.system_owner, self._host.system_owner)
        super().stage(plan, owner, arguments, keys, replaced)
        if written:
            plan.follow_up(self._install)

    def _install(self) -> None:
        for release in self._host.names("/usr/lib/modules"):
            image = next((path for path in (f"/usr/lib/modules/{release}/vmlinuz", f"/boot/vmlinuz-{release}")
                          if self._host.path(path).exists()), None)
            if image is None:
                continue
            rc, out, err = self._run_command(["kernel-install", "add", release, image])
            if rc != 0:
                raise HostError(f"kernel-install add {release}: {(err or out).strip() or rc}; the entries before it have the new line")
        self.read()


def _loader_conf(host: Host) -> str | None:
    return next((path for path in _LOADERS if host.path(path).exists()), None)
