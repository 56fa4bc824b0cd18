# SPDX-License-Identifier: GPL-3.0-or-later
"""try_start.py CONFIG USERS: whether Redis starts with them, as its user, on its addresses, on another port and in another directory.

Redis cannot check a configuration but by a start. On a host without it, or before its certificate is made, nothing is known yet.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_WITHIN_S = 20
_LISTEN = "0A"
# 431:M 23 Nov 2026 14:09:33.408 # Failed to load private key
_LOGGED = re.compile(r"^\d+:\w .{20,30} ([-.*#]) ")


def main(config: str, users: str) -> str | None:
    """Why it does not start, or None."""
    settings = dict(line.split(" ", 1) for line in Path(config).read_text().splitlines() if " " in line and not line.startswith("#"))
    certificate = settings.get("tls-cert-file", "/")
    try:
        account = pwd.getpwnam("redis")
    except KeyError:
        return None
    if shutil.which("redis-server") is None or not Path(certificate).exists():
        return None
    port = "tls-port" if "tls-port" in settings else "port"
    if (other := _taken(int(settings[port]), account.pw_uid)) is not None:
        return f"port {settings[port]}: user {other} listens on it already"
    with tempfile.TemporaryDirectory(prefix="hft-redis-") as scratch:
        files = [shutil.copy(source, scratch) for source in (config, users)]
        for path in (*files, scratch):  # the directory last: until then nobody else can lay something there
            os.chown(path, account.pw_uid, account.pw_gid)
        argv = ["redis-server", files[0], "--aclfile", files[1], f"--{port}", str(_free_port()), "--unixsocket", f"{scratch}/socket",
                "--dir", scratch, "--appendonly", "no", "--daemonize", "no", "--supervised", "no"]
        said = _tried(argv, f"{scratch}/socket", account)
        return said and said.replace(scratch, str(Path(config).parent))


def _tried(argv: list[str], path: str, account: pwd.struct_passwd) -> str | None:
    """What it complained of, or None as soon as it answers; it is ended in any case."""
    server = subprocess.Popen(argv, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + _WITHIN_S
    try:
        while server.poll() is None and time.monotonic() < deadline:
            if _answers(path):
                return None
            time.sleep(0.02)
    finally:
        server.kill()
        said = server.communicate()[0]
    # What it does not understand of its configuration it says outside its log.
    outside = [line for line in said.splitlines() if line.strip() and not _LOGGED.search(line)]
    logged = [line[found.end():] for line in said.splitlines() if (found := _LOGGED.search(line)) and found[1] == "#"
              and "overcommit" not in line]
    return " ".join(outside or logged[-2:]) or f"does not answer within {_WITHIN_S} s"


def _answers(path: str) -> bool:
    """Whatever it says to who has not logged in; it listens before it has read its users."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(path)
            client.sendall(b"PING\r\n")
            return bool(client.recv(1))
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


def _taken(port: int, uid: int) -> str | None:
    """Who listens on it, if it is another than this user."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            _slot, local, _remote, state, *_queues, owner = row.split()[:8]
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port and int(owner) != uid:
                return _name(int(owner))
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
