# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Segments, notes and build id of ELF files of 64 bits, least byte first, as elf(5) has them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

# Headers and build id lie at the beginning of a file; a core dump holds a page of it.
BEGINNING = 64 * 1024
PT_LOAD, PT_NOTE = 1, 4
_NT_GNU_BUILD_ID = 3


class Segment(NamedTuple):
    """One program header."""

    kind: int
    offset: int
    address: int
    size: int


def is_elf(beginning: bytes) -> bool:
    return beginning[:6] == b"\x7fELF\x02\x01" and len(beginning) >= 64


def elf_files(folder: str) -> Iterator[str]:
    """Every such file below a directory, in the order of their names; links are not followed."""
    for where, folders, names in os.walk(folder):
        folders.sort()
        for path in (os.path.join(where, name) for name in sorted(names)):
            if not os.path.islink(path):
                with open(path, "rb") as content:
                    if is_elf(content.read(64)):
                        yield path


def segments(beginning: bytes) -> list[Segment]:
    """The program headers that the beginning of the file holds."""
    at, = struct.unpack_from("<Q", beginning, 32)
    size, count = struct.unpack_from("<HH", beginning, 54)
    places = [at + size * number for number in range(count)] if size >= 56 else []
    found = [struct.unpack_from("<IIQQQQ", beginning, place) for place in places if place + size <= len(beginning)]
    return [Segment(kind, offset, address, length) for kind, _flags, offset, address, _physical, length in found]


def notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Owner, kind and content of each note of a note segment."""
    at = 0
    while at + 12 <= len(data):
        owner_size, size, kind = struct.unpack_from("<III", data, at)
        content = at + 12 + (owner_size + 3) // 4 * 4
        yield data[at + 12:at + 12 + owner_size].rstrip(b"\0"), kind, data[content:content + size]
        at = content + (size + 3) // 4 * 4


def build_id(beginning: bytes) -> str | None:
    """Build id in hex of the file that begins so, on disk or in memory; None when it has none."""
    if not is_elf(beginning):
        return None
    for segment in segments(beginning):
        if segment.kind == PT_NOTE:
            for owner, kind, content in notes(beginning[segment.offset:segment.offset + segment.size]):
                if owner == b"GNU" and kind == _NT_GNU_BUILD_ID and len(content) > 1:
                    return content.hex()
    return None
