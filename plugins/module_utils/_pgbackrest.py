# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. pgBackRest on this host, as postgres: what the repository holds, and its commands."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import as_superuser

PROGRAM = "/usr/bin/pgbackrest"
CONFIG = "/etc/pgbackrest/pgbackrest.conf"

# How a stanza stands, worst first.
NOT_INSTALLED = "not_installed"
NO_STANZA = "no_stanza"
NO_BACKUP = "no_backup"
OK = "ok"
_BY_CODE = {0: OK, 1: NO_STANZA, 2: NO_BACKUP, 3: NO_STANZA}


class PgBackRest:
    """The program for one stanza; run_command as AnsibleModule.run_command."""

    def __init__(self, host: Host, run_command: Callable[..., tuple[int, str, str]], stanza: str) -> None:
        self.host = host
        self.stanza = stanza
        self._run_command = run_command

    @property
    def installed(self) -> bool:
        """Whether program and configuration are there; a run of the role brings both."""
        return self.host.path(PROGRAM).exists() and self.host.path(CONFIG).exists()

    @property
    def asks_members(self) -> bool:
        """Whether this is a repository host, which reaches the members of the cluster over the network."""
        return re.search(r"^pg1-host=", self.host.read(CONFIG) or "", re.MULTILINE) is not None

    def run(self, command: str, *options: str) -> str:
        """One command; its own words when it fails."""
        if not self.installed:
            raise HostError(f"{PROGRAM}, {CONFIG}: not on this host; run the role hft.ops.pgbackrest on it first")
        argv = as_superuser([PROGRAM, f"--stanza={self.stanza}", *options, command])
        rc, out, err = self._run_command(argv, cwd="/")
        if rc != 0:
            raise HostError(f"pgbackrest {command} of stanza {self.stanza}: {reason(out + err) or f'exit status {rc}'}")
        return out

    def info(self) -> dict[str, Any]:
        """What the repository holds, in the form of summary()."""
        return summary(self.stanza, json.loads(self.run("info", "--output=json")), time.time())


def reason(output: str) -> str:
    """The errors and hints in what pgBackRest printed, on one line."""
    found: list[str] = []
    hint = False
    for line in output.splitlines():
        error = re.search(r"(?:ERROR|ASSERT): *(.*)", line)
        if error:
            found.append(error.group(1).strip())
            hint = True
        elif re.search(r"(?:WARN|INFO|DEBUG): ", line):
            hint = False
        elif hint and line.strip():
            found.append(line.strip())
    # The program repeats an error of the other end; one time is enough.
    return "; ".join(dict.fromkeys(found))[:700]


def nothing(state: str, message: str) -> dict[str, Any]:
    """A summary() of nothing."""
    return {"state": state, "message": message, "cipher": "", "system_identifier": "", "version": "", "backups": [], "last": {},
            "wal": {"min": "", "max": ""}}


def summary(stanza: str, told: list[dict[str, Any]], now: float) -> dict[str, Any]:
    """The JSON of `pgbackrest info` in the words of this collection."""
    found = nothing(NO_STANZA, "missing stanza path")
    one = next((one for one in told if one["name"] == stanza), None)
    if one is None:
        return found
    code = one["status"]["code"]
    problems = [repository["status"]["message"] for repository in one.get("repo", []) if repository["status"]["code"] not in _BY_CODE]
    if code not in _BY_CODE:
        raise HostError(f"pgbackrest info of stanza {stanza}: {reason_of_status('; '.join(problems) or one['status']['message'])}")
    found.update(state=_BY_CODE[code], message=one["status"]["message"], cipher=one.get("cipher", ""))
    if one.get("db"):
        found.update(system_identifier=str(one["db"][-1]["system-id"]), version=one["db"][-1]["version"])
    if one.get("archive"):
        found["wal"] = {"min": one["archive"][-1]["min"] or "", "max": one["archive"][-1]["max"] or ""}
    found["backups"] = [_backup(backup, now) for backup in one.get("backup", [])]
    for backup in sorted(found["backups"], key=lambda backup: backup["completed"]):
        if not backup["error"]:
            found["last"][backup["type"]] = backup
            found["last"]["any"] = backup
    return found


def reason_of_status(message: str) -> str:
    """A status of `info` on one line, with what to do where that is known."""
    flat = " ".join(message.split())
    if "repo encrypted?" in flat:
        return f"the repository cannot be decrypted; give the passphrase that it was made with ({flat[:300]})"
    if "certificate" in flat or "cert file" in flat or "key file" in flat:
        return f"{flat[:500]}; run the role hft.ops.pgbackrest on this host and on the other one, which renews certificates"
    return flat[:600]


def _backup(backup: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "label": backup["label"], "type": backup["type"], "error": bool(backup.get("error")),
        "started": backup["timestamp"]["start"], "completed": backup["timestamp"]["stop"],
        "age_s": max(0, round(now - backup["timestamp"]["stop"])),
        "size_bytes": backup["info"]["size"], "repository_bytes": backup["info"]["repository"].get("delta", 0),
        "wal_start": backup["archive"]["start"], "wal_stop": backup["archive"]["stop"],
    }
