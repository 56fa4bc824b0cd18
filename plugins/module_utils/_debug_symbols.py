# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Debug symbols of a release, apart from it and by build id, as gdb looks for them."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable

from ansible_collections.hft.ops.plugins.module_utils._elf import BEGINNING, build_id, elf_files
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_END = "-dbgsym.tar.gz"
_MEMBER = re.compile(r"[^/]+/lib/debug/\.build-id/([0-9a-f]{2})/([0-9a-f]+)\.debug")


def beside(archive: str) -> str:
    """Where the debug symbols of a release archive are."""
    return f"{archive.removesuffix('.tar.gz')}{_END}"


def separate(folder: str, into: str, run: Callable[[list[str]], object]) -> None:
    """Strip every program and library below folder; their symbols go below into. run: runs a command, raises where it failed."""
    os.makedirs(into)
    for path in elf_files(folder):
        with open(path, "rb") as content:
            found = build_id(content.read(BEGINNING))
        if found is None:
            raise HostError(f"{os.path.relpath(path, folder)}: has no build id; link it with -Wl,--build-id=sha1")
        symbols = os.path.join(into, "lib", "debug", ".build-id", found[:2], f"{found[2:]}.debug")
        os.makedirs(os.path.dirname(symbols), exist_ok=True)
        run(["objcopy", "--only-keep-debug", path, symbols])
        os.chmod(symbols, 0o644)
        run(["objcopy", "--strip-unneeded", f"--add-gnu-debuglink={symbols}", path])


def build_ids(archive: str) -> list[str]:
    """Build ids whose symbols an archive holds."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            found = [_MEMBER.fullmatch(name) for name in tar.getnames()]
    except (tarfile.TarError, EOFError, OSError) as wrong:
        raise HostError(f"debug symbols {archive}: cannot be read ({wrong}); build or fetch them again") from wrong
    return [one.group(1) + one.group(2) for one in found if one]


def archives(release_dir: str) -> list[str]:
    """Archives of debug symbols in a directory of releases."""
    names = os.listdir(release_dir) if os.path.isdir(release_dir) else []
    return [os.path.join(release_dir, name) for name in sorted(names) if name.endswith(_END)]


def by_build_id(release_dir: str, warn: Callable[[str], object]) -> dict[str, str]:
    """Archive by build id, of all archives that can be read; warn: is told of the others."""
    found: dict[str, str] = {}
    for archive in archives(release_dir):
        try:
            found.update(dict.fromkeys(build_ids(archive), archive))
        except HostError as wrong:
            warn(str(wrong))
    return found


def orphans(release_dir: str) -> list[str]:
    """Archives of debug symbols, and the sums beside them, whose release archive is gone."""
    gone = [one for one in archives(release_dir) if not os.path.exists(f"{one[:-len(_END)]}.tar.gz")]
    return [path for one in gone for path in (one, f"{one}.sha256") if os.path.exists(path)]
