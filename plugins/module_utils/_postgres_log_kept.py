# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The log of a server that is wound back, as far as its recovery needs it.

pg_rewind removes what the source has not. It spares the segments from the last common checkpoint on, but recovery begins at that
checkpoint's redo point, which may lie in an earlier segment; where the new primary has recycled that one, the server never comes up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

_SEGMENT = re.compile(r"[0-9A-F]{24}")


def _segments(directory: Path) -> set[str]:
    return {name for name in os.listdir(directory) if _SEGMENT.fullmatch(name)}


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as why:
        if why.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)
        owner = source.stat()
        os.chown(target, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def log_kept(data_directory: Path, log: Path) -> Iterator[None]:
    """What was removed meanwhile comes back, up to the newest segment that was left of the same timelines.

    data_directory: left out of what is wound back is only what lies beside it; log: where the segments lie, inside of it or not.
    """
    inside = data_directory.resolve() in log.resolve().parents
    beside = (data_directory if inside else log).with_name(f"{(data_directory if inside else log).name}.log_kept")
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was ended
    beside.mkdir(mode=0o700)
    try:
        names = _segments(log)
        for name in names:
            _link(log / name, beside / name)
        yield
        left = _segments(log) & names
        for name in names - left:
            if not left or name < max(left):
                shutil.move(beside / name, log / name)
    finally:
        shutil.rmtree(beside)
