# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that says what a lost primary had and nobody else, as it was counted when it came back, beside what was told when it was lost."""

from __future__ import annotations

from typing import Any


def database_lost(rejoined: dict[str, Any], told: dict[str, Any] | None = None) -> dict[str, Any]:
    """See the sidecar."""
    counted = {host: one["discarded"] for host, one in sorted(rejoined.items()) if (one or {}).get("discarded") is not None}
    if not counted:
        return _answer("", {}, "no member was wound back, so nothing was counted")
    unknown = [host for host, one in counted.items() if not one]
    if unknown:
        return _answer(unknown[0], {}, f"what {unknown[0]} had alone nobody can tell: its log from there on is gone")
    # A standby beside the lost primary has a part of its log.
    host, most = max(counted.items(), key=lambda item: item[1]["transactions"])
    return _answer(host, most, _say(host, most), _within(most, told or {}))


def _answer(host: str, found: dict[str, Any], say: str, within: bool = True) -> dict[str, Any]:
    rows = found.get("rows", {})
    return {"counted": bool(found), "host": host, "transactions": found.get("transactions", 0), "later": found.get("later", 0),
            "rows": sum(rows.values()), "orders": rows.get("orders", 0), "seconds": found.get("seconds", 0.0), "within": within, "say": say}


def _say(host: str, found: dict[str, Any]) -> str:
    if not found["transactions"]:
        return f"counted at {host}: nothing"
    rows = ", ".join(f"{count} of {name}" for name, count in found["rows"].items()) or "no new rows"
    changed = sum(found["changed"].values())
    lasted = f"{found['seconds']:g} s" if found["seconds"] >= 0 else "nobody knows how long"
    later = f", {found['later']} of them committed after the move" if found["later"] else ""
    kept = f"; {found['kept_rows']} rows are kept in {found['kept']}" if "kept" in found else ""
    return f"counted at {host}: {lasted}, new rows: {rows}; {changed} changes; in {found['transactions']} transactions{later}{kept}"


def _within(found: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether what was told holds what is counted. Nothing told says that nothing acknowledged is lost, which no count can refute."""
    return not told or told["seconds"] < 0 or 0 <= found["seconds"] <= told["seconds"]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict:
        return {"database_lost": database_lost}
