# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.log_shipping: edits are removed by the next run.
"""loki_shipper.py SETTINGS CURSOR: the journal of this host to Loki, from where the last line that it took stood.

SETTINGS, JSON: url, labels, tenant, token, authority. A line is sent until Loki has it; what it takes for wrong (400) is told and left out.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PATH = "/loki/api/v1/push"
_MOST, _WAIT_S, _TIMEOUT_S, _LONGEST_PAUSE_S = 500, 1.0, 15.0, 30.0
# What lines are found by: little of it, since each new set of values is a stream of its own.
_LABELS = {"host": "_HOSTNAME", "unit": "_SYSTEMD_UNIT", "identifier": "SYSLOG_IDENTIFIER", "priority": "PRIORITY"}


def main(settings: Path, cursor: Path) -> int:
    loki = Loki(json.loads(settings.read_text()))
    after = f"--after-cursor={cursor.read_text()}" if cursor.exists() else "--lines=1"
    with subprocess.Popen(["journalctl", "--output=json", "--all", "--follow", after], stdout=subprocess.PIPE) as journal:
        for entries in batches(journal.stdout.fileno()):
            loki.take(body(entries, loki.labels))
            new = cursor.with_suffix(".new")
            new.write_text(entries[-1]["__CURSOR"])
            new.replace(cursor)
    return journal.returncode or 1  # it follows for ever: its end is a failure


def batches(source: int) -> Iterator[list[dict[str, Any]]]:
    """Entries as they come, together those within a moment; ends with the source."""
    rest, entries, due, ended = b"", [], 0.0, False
    while not ended:
        if select.select([source], [], [], max(0.0, due - time.monotonic()) if entries else None)[0]:
            read = os.read(source, 1 << 16)
            ended = not read
            due = due if entries else time.monotonic() + _WAIT_S
            *lines, rest = (rest + read).split(b"\n")
            entries += [json.loads(line) for line in lines if line]
        if entries and (ended or len(entries) >= _MOST or time.monotonic() >= due):
            yield entries
            entries = []


def body(entries: list[dict[str, Any]], labels: dict[str, str]) -> bytes:
    """The request that brings them, one stream for each set of labels."""
    streams: dict[str, dict[str, Any]] = {}
    for entry in entries:
        stream = {**{label: _text(entry[field]) for label, field in _LABELS.items() if entry.get(field)}, **labels}
        made = streams.setdefault(json.dumps(stream, sort_keys=True), {"stream": stream, "values": []})
        made["values"].append([f"{entry['__REALTIME_TIMESTAMP']}000", _text(entry.get("MESSAGE"))])
    return json.dumps({"streams": list(streams.values())}).encode()


def _text(value: Any) -> str:
    """A field is text, or a list: of numbers where its bytes are no text, of texts where there are several."""
    if isinstance(value, list):
        return bytes(value).decode(errors="replace") if all(isinstance(one, int) for one in value) else " ".join(map(_text, value))
    return str(value or "")


class Loki:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.labels: dict[str, str] = settings["labels"]
        self._url = settings["url"].rstrip("/") + _PATH
        self._headers = {"Content-Type": "application/json"}
        if settings["tenant"]:
            self._headers["X-Scope-OrgID"] = settings["tenant"]
        if settings["token"]:
            self._headers["Authorization"] = f"Bearer {settings['token']}"
        self._tls = ssl.create_default_context(cafile=settings["authority"] or None) if self._url.startswith("https:") else None

    def take(self, request: bytes) -> None:
        """Returns when Loki has it, however long that lasts."""
        pause_s = 1.0
        while why := self._sent(request):
            print(f"{self._url}: {why}; again in {pause_s:g} s", file=sys.stderr, flush=True)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _sent(self, request: bytes) -> str:
        """Why it has to be sent again; empty when it has not."""
        asked = urllib.request.Request(self._url, request, self._headers)  # noqa: S310 - the role takes http and https alone
        try:
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_S, context=self._tls):  # noqa: S310
                return ""
        except urllib.error.HTTPError as refused:
            with refused:
                why = f"{refused.code} {' '.join(refused.read(300).decode(errors='replace').split())}"
            if refused.code != http.client.BAD_REQUEST:
                return why
            print(f"{self._url}: left out what it takes for wrong: {why}", file=sys.stderr, flush=True)
            return ""
        except (OSError, http.client.HTTPException) as wrong:
            return str(getattr(wrong, "reason", None) or wrong or type(wrong).__name__)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
