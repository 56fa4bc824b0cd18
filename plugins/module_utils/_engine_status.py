# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What an engine's status document says about trading."""

from __future__ import annotations

from typing import Any


def chosen(status: dict[str, Any], strategies: list[str]) -> dict[str, Any]:
    """The same status with these strategies alone; with all where none is named."""
    return {**status, "strategies": [one for one in status["strategies"] if not strategies or one["id"] in strategies]}


def held(status: dict[str, Any]) -> list[str]:
    """Strategies whose lease this very process holds, as it last saw the rows."""
    return [one["id"] for one in status["strategies"] if one["holder"] is not None and one["holder"] == status["holder"]]


def newest(status: dict[str, Any]) -> dict[str, Any]:
    """What is known of each row, by the status of every engine. One that lost the database tells what it saw last; epochs only rise."""
    rows: dict[str, Any] = {}
    for one in (one for document in status.values() for one in document["strategies"]):
        if one["id"] not in rows or one["epoch"] > rows[one["id"]]["epoch"]:
            rows[one["id"]] = one
    return rows


def moved(status: dict[str, Any], expect: dict[str, Any]) -> str:
    """Which rows have another epoch than is expected, in one line; empty where none has. status: by host, of every engine."""
    if not isinstance(expect, dict):
        return f"expect: expected the epoch of each strategy, found {expect!r}"
    rows = newest(status)
    found = {name: rows[name]["epoch"] if name in rows else None for name in expect}
    wrong = [f"{name} has epoch {epoch if epoch is not None else 'unknown'}, expected {expect[name]}"
             for name, epoch in sorted(found.items()) if str(epoch) != str(expect[name])]
    return f"{'; '.join(wrong)}: it was moved since; look who holds it now (status.yml)" if wrong else ""


def has_right(status: dict[str, Any]) -> bool:
    """Whether disturbing this process would disturb trading: it is primary, or a row still names it."""
    return status["role"] == "primary" or bool(held(status))


def trading(status: dict[str, Any]) -> bool:
    """Whether an order of every strategy would pass every grant at this moment."""
    return bool(status["strategies"]) and all(one["trading"] for one in status["strategies"])


def orders(status: dict[str, Any]) -> dict[str, int]:
    """Orders sent by each strategy since the process started."""
    return {one["id"]: one["performance"]["orders"] for one in status["strategies"]}


def killed(status: dict[str, Any]) -> list[str]:
    """Where the kill switch is latched: this engine, or lease rows."""
    where = ["the engine itself"] if status["killswitch"] else []
    return where + [f"the lease row of {one['id']}" for one in status["strategies"] if one["killed"]]


def hindrances(status: dict[str, Any]) -> list[str]:
    """Why an engine that was told to trade does not, as far as its status tells."""
    found = [f"kill switch latched in {where}" for where in killed(status)]
    found += [f"venue {one['name']} is {one['status']}" for one in status["exchanges"] if one["status"] != "connected"]
    if not status["database"]["connected"]:
        found.append("no database connection for writing")
    for one in status["strategies"]:
        if one["state"] == "halted":
            found.append(f"{one['id']} is halted: {one.get('halt_reason') or 'no reason given'}")
        elif one["state"] == "stopped":
            found.append(f"{one['id']} is stopped")
        if one["holder"] != status["holder"]:
            found.append(f"{one['id']} is held by {one['holder'] or 'nobody'} (epoch {one['epoch']})")
    return found
