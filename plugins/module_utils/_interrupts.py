# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The counters of /proc/interrupts (Documentation/filesystems/proc.rst)."""

from __future__ import annotations

import re

from ansible_collections.hft.ops.plugins.module_utils._host import Host

# Name of a row, then CPU, then interrupts since boot.
Counts = dict[str, dict[int, int]]


def interrupt_counts(host: Host) -> Counts:
    """What each source sent to each CPU since boot: "36 virtio1-req.0", "LOC"."""
    lines = (host.read("/proc/interrupts") or "").splitlines()
    cpus = [int(name) for name in re.findall(r"CPU(\d+)", lines[0])] if lines else []
    counts = {}
    for line in lines[1:]:
        name, _colon, rest = line.partition(":")
        fields = rest.split(None, len(cpus))
        if len(fields) >= len(cpus) and all(field.isdigit() for field in fields[:len(cpus)]):
            counts[_label(name.strip(), fields[len(cpus):])] = dict(zip(cpus, map(int, fields)))
    return counts


def _label(name: str, described: list[str]) -> str:
    """A numbered interrupt with what it belongs to: behind the chip and its own number there."""
    parts = described[0].split(None, 2) if described else []
    return f"{name} {parts[2].strip()}" if name.isdigit() and len(parts) == 3 else name


def interrupts_between(before: Counts, after: Counts, cpu: int) -> dict[str, int]:
    """What each source sent to one CPU between two readings, the busiest first, without those that sent nothing."""
    sent = {name: row.get(cpu, 0) - before.get(name, {}).get(cpu, 0) for name, row in after.items()}
    return dict(sorted(((name, count) for name, count in sent.items() if count > 0), key=lambda one: (-one[1], one[0])))
