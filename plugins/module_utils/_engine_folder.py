# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A directory with its owner and mode."""

from __future__ import annotations

import grp
import os
import pwd
import stat

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan


def plan_folder(plan: Plan, host: Host, path: str, mode: int, owner: str, group: str) -> None:
    """State that a directory is to exist with this mode and owner."""
    real = str(host.path(path))
    wanted = f"{owner}:{group} {mode:04o}"
    before = _describe(real, path)
    if before == wanted:
        return

    def write() -> None:
        uid, gid = _ids(path, owner, group)
        os.makedirs(real, mode=0o755, exist_ok=True)
        os.chown(real, uid, gid)
        os.chmod(real, mode)

    def undo() -> None:
        if before is None:
            os.rmdir(real)

    plan.change(Difference("persisted", path, before, wanted), write=write, undo=undo)


def _describe(real: str, path: str) -> str | None:
    """Owner, group and mode now, None when nothing is there."""
    try:
        found = os.stat(real)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        raise HostError(f"{path}: expected a directory, found a file; move it away")
    try:
        names = f"{pwd.getpwuid(found.st_uid).pw_name}:{grp.getgrgid(found.st_gid).gr_name}"
    except KeyError:
        names = f"{found.st_uid}:{found.st_gid}"
    return f"{names} {stat.S_IMODE(found.st_mode):04o}"


def _ids(path: str, owner: str, group: str) -> tuple[int, int]:
    try:
        return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError as missing:
        raise HostError(f"{path}: owner {owner}:{group} does not exist on this host; create the user first") from missing
