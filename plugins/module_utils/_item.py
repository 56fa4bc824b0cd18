# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. How one thing stands on a host: what is wanted, what each layer holds, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

APPLIED = "applied"                # every layer that this thing has holds what is wanted
NOT_APPLICABLE = "not_applicable"  # this host cannot hold it; the reason names what was tried and the errno or the missing path
PENDING_REBOOT = "pending_reboot"  # persisted, and takes effect at the next boot
DRIFTED = "drifted"                # not as wanted; what check mode reports before the run that mends it
FAILED = "failed"                  # tried, and the host did not become what was wanted


@dataclass(frozen=True)
class Item:
    """name: the thing, in the host's own words. persisted, booted, live: what each layer holds now, None where it has none."""

    name: str
    status: str
    wanted: Any = None
    persisted: Any = None
    booted: Any = None
    live: Any = None
    reason: str = ""

    def shown(self) -> dict[str, Any]:
        return dict(vars(self))


def reboot_result(items: Iterable[Item]) -> dict[str, Any]:
    """reboot_required and its reasons; roles and modules report them, only the reboot workflow acts on them."""
    reasons = [f"{item.name}: {item.reason}" for item in items if item.status == PENDING_REBOOT]
    return {"reboot_required": bool(reasons), "reboot_reasons": reasons}
