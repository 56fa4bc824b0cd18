# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What dpkg has installed, read in one call, and the few apt-get calls that change it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError

RunCommand = Callable[..., "tuple[int, str, str]"]

_POLICY = "/usr/sbin/policy-rc.d"
# invoke-rc.d and deb-systemd-invoke ask this program before they start a service: 101 is "forbidden" (Debian policy-rc.d specification).
_FORBID = "#!/bin/sh\n# hft.ops: no service starts while packages are installed\nexit 101\n"
_OPTIONS = (
    "--assume-yes", "--no-install-recommends", "--option", "Dpkg::Options::=--force-confdef", "--option", "Dpkg::Options::=--force-confold",
    # Another apt, such as the timer of a fresh host, is waited for.
    "--option", "DPkg::Lock::Timeout=300",
)
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "l"}
# "Inst NAME [INSTALLED] (VERSION ORIGIN, ORIGIN [ARCHITECTURE])"; a new package has no [INSTALLED].
_INST = re.compile(r"Inst (?P<name>\S+) (?:\[(?P<installed>\S+)\] )?\((?P<version>\S+) (?P<origins>.*?)(?: \[\S+\])?\)")


@dataclass(frozen=True)
class Update:
    """A package that apt would upgrade. origins: the archives that have that version, as apt names them."""

    name: str
    installed: str | None
    version: str
    origins: str

    @property
    def security(self) -> bool:
        """Debian-Security:13/stable-security, Ubuntu:24.04/noble-security."""
        return "security" in self.origins.lower()


class Apt:
    """The packages of one Debian host."""

    def __init__(self, run_command: RunCommand, host: Host) -> None:
        self._run_command = run_command
        self._host = host

    def installed(self) -> dict[str, str]:
        """Version by name of all that is installed; a virtual package has the version of its first provider."""
        rc, out, err = self._run(["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${db:Status-Status}\t${Provides}\n"])
        if rc != 0:
            raise HostError(f"dpkg-query: {_last(err)}; this module needs a Debian host with an intact dpkg")
        found: dict[str, str] = {}
        provided: dict[str, str] = {}
        for line in out.splitlines():
            name, version, status, provides = line.split("\t")
            if status != "installed":
                continue
            found[name] = version
            for virtual in filter(None, provides.split(",")):
                provided.setdefault(virtual.split("(")[0].strip(), version)
        return {**provided, **found}

    def candidates(self, names: list[str]) -> dict[str, str]:
        """The version of each package that an installation would bring, by the lists at hand; without those that no source has."""
        if not names:
            return {}
        rc, out, err = self._run(["apt-cache", "policy", *names])
        if rc != 0:
            raise HostError(f"apt-cache policy: {_last(err)}; this module needs a Debian host with an intact apt")
        found, name = {}, ""
        for line in out.splitlines():
            if not line.startswith(" "):
                name = line.rstrip(":").split(":")[0]
            elif line.strip().startswith("Candidate:") and "(none)" not in line:
                found[name] = line.split(":", 1)[1].strip()
        return found

    def upgradable(self) -> list[Update]:
        """What an upgrade would bring that removes nothing, by the lists at hand."""
        return self._simulated("upgrade", "--with-new-pkgs")

    def would_install(self, names: list[str]) -> list[str]:
        """Packages that an installation of names (NAME or NAME=VERSION) would touch: these, and what they pull along."""
        return [one.name for one in self._simulated("install", "--no-install-recommends", *names)]

    def _simulated(self, *words: str) -> list[Update]:
        rc, out, err = self._run(["apt-get", "--simulate", *words])
        if rc != 0:
            raise HostError(f"apt-get --simulate {' '.join(words)}: {_last(err or out)}; mend the packages of the host first")
        return [Update(*match.group("name", "installed", "version", "origins")) for match in map(_INST.match, out.splitlines()) if match]

    def list_age_s(self) -> float:
        """Seconds since the package lists were read from their sources; infinite when they never were."""
        stamps = [self._host.path(path) for path in ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")]
        times = [stamp.stat().st_mtime for stamp in stamps if stamp.exists()]
        listed = any(name.endswith(("_Packages", "_Packages.lz4", "_InRelease")) for name in self._host.names("/var/lib/apt/lists"))
        return max(0.0, time.time() - max(times)) if times and listed else float("inf")

    def update(self) -> None:
        rc, out, err = self._run(["apt-get", "update", "--error-on=any", "--option", "DPkg::Lock::Timeout=300"])
        if rc != 0:
            raise HostError(f"apt-get update: {_last(err or out)}; correct the sources in /etc/apt or the way to them")

    def install(self, names: list[str], start_services: bool, list_max_age_s: int) -> None:
        """Install, with lists no older than that; a name that old lists do not know is looked for in fresh ones."""
        fresh = self.list_age_s() > list_max_age_s
        if fresh:
            self.update()
        unread = ""
        with self._services_stay_down(start_services):
            rc, out, err = self._run(["apt-get", "install", *_OPTIONS, *names])
            if rc != 0 and not fresh:
                try:
                    self.update()
                except HostError as offline:
                    unread = f" (and fresh lists cannot be read: {offline})"
                else:
                    rc, out, err = self._run(["apt-get", "install", *_OPTIONS, *names])
        if rc != 0:
            why = f"{_last(err or out)}{unread}"
            raise HostError(f"apt-get install {' '.join(names)}: {why}; correct the name, or add the source that has it")

    def remove(self, names: list[str]) -> None:
        rc, out, err = self._run(["apt-get", "remove", *_OPTIONS, *names])
        if rc != 0:
            raise HostError(f"apt-get remove {' '.join(names)}: {_last(err or out)}")

    def _run(self, argv: list[str]) -> tuple[int, str, str]:
        return self._run_command(argv, environ_update=_ENVIRONMENT)

    @contextlib.contextmanager
    def _services_stay_down(self, start_services: bool) -> Iterator[None]:
        if start_services:
            yield
            return
        policy = self._host.owned_file(_POLICY)
        # Ours from a run that was cut off: whoever had one before is not known any more.
        before = None if policy.before == _FORBID else policy.before
        mode = policy.mode or 0o755
        policy.replace(_FORBID, 0o755)
        try:
            yield
        finally:
            policy.replace(before, mode)


def _last(text: str) -> str:
    """The line that says why: apt's first error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line[2:].strip() for line in lines if line.startswith("E:")]
    return (errors or lines[-1:] or ["no reason given"])[0].rstrip(".")
