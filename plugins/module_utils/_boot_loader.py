# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The boot loader of this host, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ansible_collections.hft.ops.plugins.module_utils._boot_grub import Grub
from ansible_collections.hft.ops.plugins.module_utils._boot_grubby import Grubby
from ansible_collections.hft.ops.plugins.module_utils._boot_systemd import SystemdBoot
from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import Argument
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

# Set by systemd-boot at each start (systemd.io/BOOT_LOADER_INTERFACE).
_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


class BootLoader(Protocol):
    """name: grub, grubby or systemd-boot; command_line: what the default entry gives its kernel, with BOOT_IMAGE where it has one."""

    name: str
    command_line: str

    @property
    def default_release(self) -> str | None:
        ...

    def kernels(self) -> Mapping[str, Any]:
        ...

    def stage_default(self, plan: Plan, release: str | None) -> None:
        ...

    def read(self) -> None:
        ...

    def path(self, owner: str) -> str:
        ...

    def owned(self, owner: str) -> list[Argument]:
        ...

    def owners(self) -> dict[str, set[str]]:
        ...

    def conflicts(self, owner: str) -> list[str]:
        ...

    def stage(self, plan: Plan, owner: str, arguments: list[Argument], keys: Iterable[str]) -> None:
        ...


def boot_loader(host: Host, run_command: RunCommand) -> tuple[BootLoader | None, str]:
    """The boot loader, or None and why there is none."""
    kinds = [SystemdBoot] if _started_by_systemd_boot(host) else [Grub, Grubby, SystemdBoot]
    reasons = []
    for kind in kinds:
        reason = kind.missing(host)
        if reason is None:
            return kind(host, run_command), ""
        reasons.append(f"{kind.name}: {reason}")
    return None, f"no boot loader that is known ({'; '.join(reasons)})"


def _started_by_systemd_boot(host: Host) -> bool:
    """Files of GRUB may be there although systemd-boot starts the host."""
    try:
        return "systemd-boot" in host.path(_INFO).read_bytes()[4:].decode("utf-16-le", "replace")
    except OSError:
        # A real-time kernel shows no EFI variable. GRUB names the kernel on the command line, systemd-boot does not.
        return SystemdBoot.missing(host) is None and "BOOT_IMAGE=" not in (host.read("/proc/cmdline") or "")
