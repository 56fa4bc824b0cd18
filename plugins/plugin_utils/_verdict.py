# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. How a run that moves trading ended, as its record and its last line tell it."""

from __future__ import annotations


def judged(verdict: str, detail: str, then: str) -> dict:
    """verdict: done, refused, rolled_back, paused or failed; detail: what was wrong, one line; then: what that means for trading."""
    return {"verdict": verdict, "move_back": False, "detail": detail, "say": joined(detail, then)}


def joined(*parts: str) -> str:
    """What there is of the parts, in one line."""
    return "; ".join(filter(None, parts))
