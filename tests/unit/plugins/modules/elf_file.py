# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ELF files and core dumps, byte by byte as elf(5) has them."""

from __future__ import annotations

import struct

PAGE = 4096


def note(owner: bytes, kind: int, content: bytes) -> bytes:
    name = owner + b"\0"
    return struct.pack("<III", len(name), len(content), kind) + name.ljust((len(name) + 3) // 4 * 4, b"\0") + content.ljust(
        (len(content) + 3) // 4 * 4, b"\0")


def elf(*parts: tuple[int, int, bytes]) -> bytes:
    """File with these segments: kind, address, content."""
    at, table, body = 64 + 56 * len(parts), b"", b""
    for kind, address, content in parts:
        table += struct.pack("<IIQQQQQQ", kind, 4, at + len(body), address, 0, len(content), len(content), 1)
        body += content
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(parts), 0, 0, 0) + table + body


def program(build_id: str) -> bytes:
    """A program, the first page of it."""
    notes = note(b"GNU", 1, bytes(16)) + (note(b"GNU", 3, bytes.fromhex(build_id)) if build_id else b"")
    return elf((4, 0x100, notes)).ljust(PAGE, b"\0")


def core(*mapped: tuple[int, int, str, bytes]) -> bytes:
    """A core dump of a process with these files mapped: address, page of the file, path, content."""
    files = struct.pack("<QQ", len(mapped), PAGE)
    files += b"".join(struct.pack("<QQQ", at, at + PAGE, page) for at, page, _path, _content in mapped)
    files += b"".join(path.encode() + b"\0" for _at, _page, path, _content in mapped)
    told = note(b"CORE", 1, bytes(336)) + note(b"CORE", 0x46494C45, files)
    return elf((4, 0, told), *((1, at, content) for at, _page, _path, content in mapped))
