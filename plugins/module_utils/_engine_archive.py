# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Archives that are the same bytes for the same files, and their safe unpacking."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import os
import posixpath
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_BLOCK = 1 << 20


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for block in iter(lambda: source.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def pack(folder: str, top: str, archive: str | None, exclude: Sequence[str] = ()) -> str:
    """Pack a tree under one top folder; returns the sha256 of the uncompressed stream, which names the content.

    Sorted, without times, owners and permissions beyond "executable": the same files give the same archive anywhere.
    archive: file to write (tar.gz), None to learn the sha256 alone. exclude: shell patterns for single names.
    """
    stream = _Hashed()
    if archive is None:
        _write_tar(folder, top, stream, exclude)
    else:
        with open(archive, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            stream.out = packed
            _write_tar(folder, top, stream, exclude)
    return stream.digest.hexdigest()


def unpack(archive: str, top: str, into: str) -> None:
    """Unpack the files below the archive's one top folder into a new directory: regular files and folders, nothing else."""
    os.makedirs(into, mode=0o755)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                _unpack_member(tar, member, top, into)
    except (tarfile.TarError, EOFError, OSError) as wrong:
        raise HostError(f"archive {archive}: cannot be unpacked ({wrong}); build or fetch it again") from wrong


class _Hashed:
    """A stream that is hashed, and passed on where there is somebody to take it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.out: IO[bytes] | None = None

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        if self.out is not None:
            self.out.write(data)
        return len(data)


def _write_tar(folder: str, top: str, stream: _Hashed, exclude: Sequence[str]) -> None:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for name, path in _tree(folder, exclude):
            info = tarfile.TarInfo(posixpath.join(top, name))
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode) or not stat.S_ISREG(found.st_mode):
                raise HostError(f"{path}: expected regular files and folders alone; replace it by a file or exclude it")
            info.mode = 0o755 if found.st_mode & 0o111 else 0o644
            info.size = found.st_size
            with open(path, "rb") as content:
                tar.addfile(info, content)


def _tree(folder: str, exclude: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every file, as its name below folder (with /) and its path, in the order of the names."""
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _excluded(name, exclude)]
        for name in files + [name for name in folders if os.path.islink(os.path.join(where, name))]:
            if not _excluded(name, exclude):
                path = os.path.join(where, name)
                found.append((os.path.relpath(path, folder).replace(os.sep, "/"), path))
    return iter(sorted(found))


def _excluded(name: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, top: str, into: str) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts or parts[0] != top or ".." in parts or member.name.startswith("/") or not (member.isreg() or member.isdir()):
        raise HostError(f"archive: {member.name}: expected regular files and folders below {top}/ alone; build the archive again")
    path = os.path.join(into, *parts[1:])
    os.makedirs(path if member.isdir() else os.path.dirname(path), mode=0o755, exist_ok=True)
    if member.isreg():
        source = tar.extractfile(member)
        with open(path, "xb") as out:
            shutil.copyfileobj(source, out, _BLOCK)
        os.chmod(path, 0o755 if member.mode & 0o111 else 0o644)
