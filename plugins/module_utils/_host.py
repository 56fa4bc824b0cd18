# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Where a module finds /etc, /proc, /run and /sys, and how it writes a file.

Every path in a message or a result is the host's own ("/etc/sysctl.d/90-hft.conf"); only this file knows that the
tree may stand elsewhere, so unit tests run on trees captured from real hosts.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
import tempfile
from pathlib import Path


class HostError(Exception):
    """One line for the operator: which input or file, what was expected, what to do."""


class Host:
    """The host a module runs on; root: another directory that holds its tree."""

    def __init__(self, root: str | Path = "/") -> None:
        self.root = Path(root)

    @property
    def system_owner(self) -> str | None:
        """Owner and group of system files; None on a captured tree, which belongs to whoever captured it."""
        return "root" if self.root == Path("/") else None

    def path(self, path: str) -> Path:
        """Where the host's absolute path really lies."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str | None:
        """Content of a file, None when it does not exist."""
        try:
            return self.path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        """Sorted names in a directory, none when it does not exist."""
        try:
            return sorted(entry.name for entry in self.path(path).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def refusal(self, path: str) -> str | None:
        """Why path cannot be written, as errno and text; None when it can. Opens for writing, and writes nothing."""
        try:
            os.close(os.open(self.path(path), os.O_WRONLY | os.O_CLOEXEC))
        except OSError as why:
            return f"{errno.errorcode.get(why.errno or 0, why.errno)}: {why.strerror}"
        return None

    def poke(self, path: str, value: str) -> None:
        """Write a value to a kernel file (/proc/sys, /sys) in one write; OSError when the kernel refuses it."""
        handle = os.open(self.path(path), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(handle, (value + "\n").encode("utf-8", "surrogateescape"))
        finally:
            os.close(handle)

    def owned_file(self, path: str) -> OwnedFile:
        return OwnedFile(self, path)


class OwnedFile:
    """One whole file that a module owns: read it, then replace, create or remove it in one atomic step.

    A symbolic link is followed and kept: its target is replaced. A link to nothing or to /dev/null (the way systemd
    masks a file) is refused, because somebody put it there to switch this file off.
    """

    def __init__(self, host: Host, path: str) -> None:
        self.path = path
        self._real = host.path(path)
        if self._real.is_symlink():
            target = self._real.resolve()
            if not target.is_file():
                raise HostError(f"{path}: is a link to {target}, which masks it; remove the link to let this file take effect")
            self._real = target
        self.before = host.read(path)

    @property
    def mode(self) -> int | None:
        """Permission bits now, None when the file does not exist."""
        return stat.S_IMODE(self._real.stat().st_mode) if self._real.exists() else None

    @property
    def owner(self) -> tuple[str, str] | None:
        """User and group now, as numbers where they have no name; None when the file does not exist."""
        if not self._real.exists():
            return None
        found = self._real.stat()
        names = [str(found.st_uid), str(found.st_gid)]
        with contextlib.suppress(KeyError):
            names[0] = pwd.getpwuid(found.st_uid).pw_name
        with contextlib.suppress(KeyError):
            names[1] = grp.getgrgid(found.st_gid).gr_name
        return names[0], names[1]

    def replace(self, content: str | None, mode: int = 0o644, owner: str | None = None, group: str | None = None) -> None:
        """Make content the file's whole content; None removes the file. Whatever fails, the old file stands."""
        try:
            if content is None:
                with contextlib.suppress(FileNotFoundError):
                    self._real.unlink()
            else:
                self._write(content, mode, _uid(owner), _gid(group))
        except OSError as why:
            raise HostError(f"{self.path}: cannot be written ({why.strerror}); the old file stands") from why

    def _write(self, content: str, mode: int, uid: int, gid: int) -> None:
        self._real.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=self._real.parent, prefix=".hft-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content.encode("utf-8", "surrogateescape"))
                out.flush()
                os.fchown(out.fileno(), uid, gid)
                os.fchmod(out.fileno(), mode)
                os.fsync(out.fileno())
            Path(scratch).replace(self._real)
        except OSError:
            Path(scratch).unlink(missing_ok=True)
            raise


def _uid(name: str | None) -> int:
    """-1, which leaves the owner alone, when no name is given."""
    if name is None or name.isdigit():
        return -1 if name is None else int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as missing:
        raise HostError(f"owner {name}: no such user on the host; create it first") from missing


def _gid(name: str | None) -> int:
    if name is None or name.isdigit():
        return -1 if name is None else int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as missing:
        raise HostError(f"group {name}: no such group on the host; create it first") from missing
