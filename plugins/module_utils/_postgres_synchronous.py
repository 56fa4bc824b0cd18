# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What a synchronous set proves: which standbys, cut off together, hold every acknowledged commit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import HostError


@dataclass(frozen=True)
class SynchronousSet:
    """synchronous_standby_names: a commit is acknowledged when `needed` of `names` have flushed it."""

    needed: int
    names: tuple[str, ...]

    def without(self, name: str) -> SynchronousSet:
        """As a server of that name sees it: nobody is a standby of itself."""
        return SynchronousSet(self.needed, tuple(one for one in self.names if one != name))

    @property
    def quorum(self) -> int:
        """N - k + 1: every set of k that acknowledged a commit shares a member with every set of this many."""
        return len(self.names) - self.needed + 1

    def lacking(self, detached: Iterable[str]) -> str:
        """Why commits may be acknowledged that none of these standbys has; empty: all acknowledged ones are among them."""
        if not self.names or self.needed == 0:
            return "the synchronous set is empty: commits waited for nobody"
        cut = [name for name in self.names if name in set(detached)]
        if len(cut) >= self.quorum:
            return ""
        missing = [name for name in self.names if name not in cut]
        return (f"{len(cut)} of {len(self.names)} synchronous standbys are detached and {self.quorum} must be "
                f"({self.needed} of {len(self.names)} acknowledge a commit); not detached: {', '.join(missing)}")


def parse(text: str) -> SynchronousSet:
    """In PostgreSQL's words: ANY k (a, b), FIRST k (a, b), k (a, b) or a, b. `*` proves nothing about anybody."""
    match = re.fullmatch(r"\s*(?:(?:ANY|FIRST)\s+)?(\d+)\s*\((.*)\)\s*", text, re.IGNORECASE)
    needed, listed = (int(match.group(1)), match.group(2)) if match else (1, text)
    names = tuple(name.strip().strip('"').replace('""', '"') for name in listed.split(",") if name.strip())
    if "*" in names:
        raise HostError(f"synchronous_standby_names: {text!r} names nobody; list the standbys, or no promotion can be proven")
    return SynchronousSet(min(needed, len(names)), names)


def lsn(text: str) -> int:
    """A position in the write-ahead log, such as 0/3000148, as bytes."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)
