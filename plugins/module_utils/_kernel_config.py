# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What a kernel was built with, so that an argument which it would ignore in silence is not given to it."""

from __future__ import annotations

import gzip
import zlib

from ansible_collections.hft.ops.plugins.module_utils._host import Host


class KernelConfig:
    """The build options of one kernel. path: where they were read, None when this host does not tell."""

    def __init__(self, host: Host, release: str | None = None) -> None:
        running = (host.read("/proc/sys/kernel/osrelease") or "").strip()
        self.release = release or running
        self.path, self._options = _read(host, self.release, self.release == running)

    def missing(self, option: str) -> str | None:
        """Why the kernel lacks CONFIG_option; None when it has it, or when its options cannot be read."""
        if self.path is None or self._options.get(option) in ("y", "m"):
            return None
        return f"CONFIG_{option} is not set in {self.path}"

    def __getitem__(self, option: str) -> str | None:
        """y, m, n or a value; None when the options cannot be read."""
        return None if self.path is None else self._options.get(option, "n")


def _read(host: Host, release: str, running: bool) -> tuple[str | None, dict[str, str]]:
    for path in (f"/boot/config-{release}", f"/usr/lib/modules/{release}/config", f"/lib/modules/{release}/config"):
        text = host.read(path)
        if text is not None:
            return path, _options(text)
    if running:
        try:
            return "/proc/config.gz", _options(gzip.decompress(host.path("/proc/config.gz").read_bytes()).decode("utf-8", "replace"))
        except (OSError, EOFError, zlib.error):
            pass
    return None, {}


def _options(text: str) -> dict[str, str]:
    return dict(line[len("CONFIG_"):].split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_") and "=" in line)
