# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Sets of CPUs in the two forms of the kernel, compared as sets: 0-3 and 0,1,2,3 and the mask f are one set.

Forms: Documentation/admin-guide/kernel-parameters.rst ("cpu lists") and Documentation/core-api/cpu_hotplug.rst (masks).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_RANGE = re.compile(r"(\d+)(?:-(\d+|N)(?::(\d+)/(\d+))?)?")


def cpu_set(text: str, last: int | None = None) -> frozenset[int]:
    """The CPUs of a list such as 0-3,8 or 0-31:2/8 (of each eight the first two); N and all need last, the highest CPU of the host.

    Raises ValueError, which says what is wrong with which part.
    """
    cpus: set[int] = set()
    for raw in text.strip().split(",") if text.strip() else []:
        part = raw.strip()
        if part == "all" and last is not None:
            part = f"0-{last}"
        found = _RANGE.fullmatch(part.replace("N", str(last)) if last is not None else part)
        if found is None or found[2] == "N":
            raise ValueError(f"{part or 'an empty part'} in {text.strip()!r}: expected a CPU list such as 2-5,8")
        first, end = int(found[1]), int(found[2] or found[1])
        if end < first:
            raise ValueError(f"{part} in {text.strip()!r}: the range is reversed; write {end}-{first}")
        used, group = (int(found[3]), int(found[4])) if found[3] else (1, 1)
        if not 0 < used <= group:
            raise ValueError(f"{part} in {text.strip()!r}: expected used/group with used from 1 to group")
        cpus.update(cpu for cpu in range(first, end + 1) if (cpu - first) % group < used)
    return frozenset(cpus)


def cpu_list(cpus: Iterable[int]) -> str:
    """The shortest list of these CPUs, as the kernel prints it: 0-3,8; empty for none."""
    parts: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(first) if first == end else f"{first}-{end}" for first, end in parts)


def mask_set(text: str) -> frozenset[int]:
    """The CPUs of a mask such as ff or 00000000,000000f0 (words of 32 bits, the highest first)."""
    words = text.strip().split(",")
    if not all(re.fullmatch(r"[0-9a-fA-F]{1,8}", word) for word in words) and len(words) > 1:
        raise ValueError(f"{text.strip()!r}: expected a CPU mask of words of 32 bits such as 0000000f,ffffffff")
    value = int("".join(word.zfill(8) for word in words) if len(words) > 1 else words[0], 16)
    return frozenset(cpu for cpu in range(value.bit_length()) if value >> cpu & 1)


def cpu_mask(cpus: Iterable[int]) -> str:
    """The mask of these CPUs, in words of 32 bits as the kernel reads and prints them."""
    value = sum(1 << cpu for cpu in set(cpus))
    words = []
    while value or not words:
        words.append(f"{value & 0xffffffff:x}" if value < 1 << 32 else f"{value & 0xffffffff:08x}")
        value >>= 32
    return ",".join(reversed(words))
