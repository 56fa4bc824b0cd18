# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Immutable releases on a host: one directory each, a manifest inside, one link that says which is current."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from ansible_collections.hft.ops.plugins.module_utils._engine_archive import sha256_of, unpack
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

# Readable by `sha256sum --check`, which passes over lines that begin with #.
MANIFEST = "MANIFEST.sha256"
_ORIGIN = "# archive sha256 "


class Release:
    """One release of a program under home/releases/version."""

    def __init__(self, host: Host, home: str, program: str, version: str) -> None:
        self._host = host
        self.program = program
        self.version = version
        self.path = f"{home}/releases/{version}"
        self._real = str(host.path(self.path))
        lines = (host.read(f"{self.path}/{MANIFEST}") or "").splitlines()
        self.manifest = {line[66:]: line[:64] for line in lines if line and not line.startswith("#")}
        self.origin = next((line[len(_ORIGIN):] for line in lines if line.startswith(_ORIGIN)), None)

    @property
    def exists(self) -> bool:
        return os.path.isdir(self._real)

    def differences(self, sha256: str) -> list[Difference]:
        """What keeps the directory from being the release that the archive with this sha256 holds."""
        if not self.exists:
            return [Difference("persisted", self.path, None, f"release from archive sha256 {sha256 or 'not known before it is built'}")]
        if self.origin is None:
            return [Difference("persisted", self.path, f"no {MANIFEST}", f"release from archive sha256 {sha256}")]
        if sha256 and self.origin != sha256:
            raise HostError(f"release {self.version}: is installed from the archive with sha256 {self.origin}, wanted is sha256 {sha256}; "
                            f"a release never changes: correct the sha256, or give the other content another version")
        on_disk = dict(_files(self._real))
        found = []
        for name in sorted(set(self.manifest) | set(on_disk)):
            before, after = on_disk.get(name), self.manifest.get(name)
            if before != after:
                found.append(Difference("persisted", f"{self.path}/{name}", before, after))
        return found

    def install(self, archive: str, sha256: str) -> None:
        """Make the directory what the archive holds. New: one rename. Changed by hand: file by file, so what runs keeps its files."""
        found = sha256_of(archive)
        if found != sha256:
            raise HostError(f"archive of release {self.version}: sha256 is {found}, expected {sha256}; build or fetch it again")
        scratch = os.path.join(os.path.dirname(self._real), f".new-{self.version}")
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            unpack(archive, f"{self.program}-{self.version}", scratch)
            if not os.access(os.path.join(scratch, "bin", self.program), os.X_OK):
                raise HostError(f"archive of release {self.version}: has no executable bin/{self.program}; build it again")
            with open(os.path.join(scratch, MANIFEST), "w", encoding="utf-8") as out:
                out.write(f"{_ORIGIN}{sha256}\n")
                out.writelines(f"{digest}  {name}\n" for name, digest in sorted(_files(scratch)))
                out.flush()
                os.fsync(out.fileno())
            if self.exists:
                _mend(scratch, self._real)
            else:
                os.rename(scratch, self._real)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def remove(self) -> None:
        """Take the release away; a half removed one is never found under its name."""
        if self.exists:
            grave = os.path.join(os.path.dirname(self._real), f".old-{self.version}")
            shutil.rmtree(grave, ignore_errors=True)
            os.rename(self._real, grave)
            shutil.rmtree(grave)


def current_release(host: Host, home: str) -> str:
    """The version that the link names; empty where there is none."""
    link = host.path(f"{home}/current")
    return os.path.basename(os.readlink(link)) if link.is_symlink() else ""


def plan_link(plan: Plan, host: Host, path: str, target: str) -> bool:
    """State that path is to be a link to target (relative, as written); the switch is one rename. True when it differs."""
    real = str(host.path(path))
    if os.path.lexists(real) and not os.path.islink(real):
        raise HostError(f"{path}: is a file or a directory, expected a link to {target}; move it away")
    before = os.readlink(real) if os.path.islink(real) else None
    if before == target:
        return False

    def point(to: str | None) -> None:
        if to is None:
            os.unlink(real)
            return
        scratch = f"{real}.new"
        if os.path.lexists(scratch):
            os.unlink(scratch)
        os.symlink(to, scratch)
        os.replace(scratch, real)

    plan.change(Difference("persisted", path, before, target), write=lambda: point(target), undo=lambda: point(before))
    return True


def plan_retention(plan: Plan, host: Host, home: str, program: str, keep: int, wanted: str) -> None:
    """State which releases go: all but the newest ones, never the wanted, the one that current named, or one that a process runs."""
    folder = f"{home}/releases"
    names = [name for name in host.names(folder) if not name.startswith(".") and host.path(f"{folder}/{name}").is_dir()]
    newest_first = sorted(names, key=lambda name: host.path(f"{folder}/{name}").stat().st_mtime, reverse=True)
    protected = {wanted, current_release(host, home), *_running(host, folder)}
    kept = len(protected & set(names))
    for name in newest_first:
        if name in protected:
            continue
        kept += 1
        if kept > keep:
            gone = Release(host, home, program, name)
            plan.change(Difference("persisted", gone.path, "installed", None), write=gone.remove)


def _running(host: Host, folder: str) -> Iterator[str]:
    """Releases whose files a process executes now."""
    for pid in host.names("/proc"):
        if pid.isdigit():
            try:
                program = os.readlink(host.path(f"/proc/{pid}/exe"))
            except OSError:
                continue
            if program.startswith(folder + "/"):
                yield program[len(folder) + 1:].split("/")[0]


def _files(folder: str) -> Iterator[tuple[str, str]]:
    """Every name below folder but the manifest, with its sha256; what is not a plain, unshared file is named instead."""
    for where, folders, files in os.walk(folder):
        for name in files + [name for name in folders if os.path.islink(os.path.join(where, name))]:
            path = os.path.join(where, name)
            short = os.path.relpath(path, folder)
            if short == MANIFEST:
                continue
            found = os.lstat(path)
            if not stat.S_ISREG(found.st_mode):
                yield short, "not a regular file"
            elif found.st_mode & 0o022 or found.st_uid != os.geteuid():
                yield short, f"writable by others (mode {stat.S_IMODE(found.st_mode):04o}, uid {found.st_uid})"
            elif short.startswith("bin/") and not found.st_mode & 0o111:
                yield short, "not executable"
            else:
                yield short, sha256_of(path)


def _mend(right: str, place: str) -> None:
    """Make place equal to right, one atomic rename a file; the manifest last, so a broken off mend is found again."""
    wanted = dict(_files(right))
    for name, digest in dict(_files(place)).items():
        if wanted.pop(name, None) == digest:
            continue
        if os.path.exists(os.path.join(right, name)):
            wanted[name] = digest
        else:
            os.unlink(os.path.join(place, name))
    for name in (*sorted(wanted), MANIFEST):
        os.makedirs(os.path.dirname(os.path.join(place, name)), mode=0o755, exist_ok=True)
        os.replace(os.path.join(right, name), os.path.join(place, name))
