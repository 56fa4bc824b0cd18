# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The files of sysctl.d(5): names of keys, what a file sets, and which file has the last word at boot."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ansible_collections.hft.ops.plugins.module_utils._host import Host

# Of two files with one name the earlier directory wins; all names are then read in one sorted order, the last value counts.
SEARCH_PATH = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_KEY = re.compile(r"[A-Za-z0-9_:@./-]+")


def proc_name(key: str) -> str | None:
    """A key as its path below /proc/sys; None when it is no key.

    As sysctl.d(5): when the first separator is a dot, dots separate and slashes stand for dots (net.ipv4.conf.eth0/100.rp_filter).
    """
    if not _KEY.fullmatch(key):
        return None
    dotted = "/" not in key or ("." in key and key.index(".") < key.index("/"))
    path = key.translate(str.maketrans("./", "/.")) if dotted else key
    parts = path.split("/")
    return path if len(parts) > 1 and not {"", ".", ".."} & set(parts) else None


def dotted_name(proc: str) -> str:
    """The usual name of a path below /proc/sys."""
    return proc.translate(str.maketrans("./", "/."))


def assignments(text: str) -> dict[str, str]:
    """What a file sets, by path below /proc/sys; patterns and exclusions are left out, an explicit key always outranks them."""
    found = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        key = key.strip().lstrip("-").strip()
        if separator and not key.startswith(("#", ";")):
            name = proc_name(key)
            if name is not None:
                found[name] = value.strip()
    return found


def read_after(host: Host, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The files that systemd-sysctl reads after this one, in order, with what they set."""
    by_name: dict[str, str] = {}
    for folder in SEARCH_PATH:
        for name in host.names(folder):
            if name.endswith(".conf"):
                by_name.setdefault(name, f"{folder}/{name}")
    for name in sorted(by_name):
        if name > posixpath.basename(path):
            yield by_name[name], assignments(host.read(by_name[name]) or "")
