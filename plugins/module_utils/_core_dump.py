# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Build ids of what a process had mapped when it died, from its core dump alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from ansible_collections.hft.ops.plugins.module_utils._elf import BEGINNING, PT_LOAD, PT_NOTE, build_id, is_elf, notes, segments
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_NT_FILE = 0x46494C45
_BLOCK = 1 << 20


def mapped_build_ids(core: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Path and build id of each program and library; of a dump that is cut off those that are in it, before it is refused.

    core: read once, forward, as it may come out of a decompressor.
    """
    stream = _Forward(core)
    header = stream.read(0, 64)
    if not is_elf(header):
        raise HostError("core dump: is no ELF file of 64 bits, or is empty")
    table, = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    parts = segments(header + stream.read(64, table + size * count - 64))
    noted = next((part for part in parts if part.kind == PT_NOTE), None)
    paths = _mapped_from_their_beginning(stream.read(noted.offset, noted.size)) if noted else {}
    for part in sorted(parts, key=lambda one: one.offset):
        if part.kind == PT_LOAD and part.size and part.address in paths:
            identity = build_id(stream.read(part.offset, min(part.size, BEGINNING)))
            if identity:
                yield paths[part.address], identity


class _Forward:
    """Reads at offsets of a stream that cannot go back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._at = 0

    def read(self, offset: int, size: int) -> bytes:
        if offset < self._at:
            raise HostError(f"core dump: a segment at {offset} lies before what was read up to {self._at}")
        while self._at < offset:
            self._at += len(self._exactly(min(offset - self._at, _BLOCK)))
        data = self._exactly(size)
        self._at += size
        return data

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise HostError("core dump: is cut off")
        return data


def _mapped_from_their_beginning(data: bytes) -> dict[int, str]:
    """Path by address, of the files whose first byte was mapped there."""
    for owner, kind, content in notes(data):
        if owner == b"CORE" and kind == _NT_FILE:
            count, = struct.unpack_from("<Q", content, 0)
            names = content[16 + 24 * count:].split(b"\0")
            places = (struct.unpack_from("<QQQ", content, 16 + 24 * number) for number in range(count))
            return {begin: names[number].decode(errors="replace") for number, (begin, _end, page) in enumerate(places) if page == 0}
    return {}
