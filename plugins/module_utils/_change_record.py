# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What the collection changed on this host, kept on the host, and what was there before its first change.

One JSON object a line, appended before the writes begin, so that a run that dies in the middle has said what it was about to do:
{"time": UTC, "module": name, "differences": [{layer, path, before, after}]}, and the same with "undone": true when it was taken back.
Contents of secret files are not in it.
"""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError

PATH = "/var/lib/hft_ops/changes.jsonl"


class ChangeRecord:
    """Where a module of this name writes down what it does."""

    def __init__(self, module: str, host: Host | None = None) -> None:
        self.module = module
        self._host = host or Host()

    def append(self, differences: list[dict[str, Any]], undone: bool = False) -> None:
        """One line, on disk when this returns. HostError when it cannot be written: what cannot be taken back is not begun."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entry = {"time": now, "module": self.module, "differences": differences, **({"undone": True} if undone else {})}
        real = self._host.path(PATH)
        try:
            real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(real, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, (json.dumps(entry, default=str) + "\n").encode("utf-8", "surrogateescape"))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as why:
            raise HostError(f"{PATH}: the record of changes cannot be written ({why.strerror}), so nothing was changed; "
                            "make room, or give the file back to root") from why

    def read(self) -> list[dict[str, Any]]:
        """Every line, oldest first; without a last one that a power failure cut off. HostError when another one is broken."""
        lines = (self._host.read(PATH) or "").split("\n")
        entries = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entries.append(json.loads(line))
            except ValueError as wrong:
                raise HostError(f"{PATH}:{number}: is not a line of the record ({wrong}); mend or remove that line") from wrong
        return entries


FILES = "files"


def originals(entries: list[dict[str, Any]]) -> dict[tuple[str, str, str], Any]:
    """What stood before the first change, by (module, layer, path), oldest first.

    A file is one thing whichever module writes it, so it stands under FILES. What has come back to what it was is not in the result,
    so the record needs no end: after an undo the next change begins anew.
    """
    found: dict[tuple[str, str, str], Any] = {}
    for entry in entries:
        for one in entry["differences"]:
            file = one["layer"] == "persisted" and one["path"].startswith("/")
            key = (FILES if file else entry["module"], one["layer"], one["path"])
            before, after = (one["after"], one["before"]) if entry.get("undone") else (one["before"], one["after"])
            # Two secrets are shown as the same words and are not the same.
            if found.setdefault(key, before) == after != before:
                del found[key]
    return found
