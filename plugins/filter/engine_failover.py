# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over a takeover by hand: who takes what a dead host held, and what shuts that host out."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, held, killed, moved

_NOTHING: dict = {"move": False, "taker": "", "strategies": [], "holders": [], "epochs": {}, "ended": False, "shut_out": False, "say": "",
                  "error": ""}


class _Refused(Exception):
    """One line for the operator."""


def failover_decision(engines: dict, dead: str, name: str = "", to: str = "", strategies: list | None = None,
                      fences: dict | None = None, expect: dict | None = None) -> dict:
    """Who takes what the dead host held, by what the engines say that answer; error is set when it must not be done.

    engines: answers of engine_info by host; dead: the host; name: of its engine, where that is another; to: host of the taker;
    strategies: these alone; fences: what the venues of the taker declare, by name; expect: epoch by strategy,
    refused where a row has another one.
    ended in the answer: the engine answers as another process and holds nothing, so the one that held has ended. shut_out: every venue of
    the strategies refuses lower epochs, so what may still run there cannot trade.
    """
    if not isinstance(engines, dict):
        raise AnsibleFilterError(f"hft.ops.failover_decision: expected engines as a dictionary, found {type(engines).__name__}")
    try:
        if problem := moved({host: info["status"] for host, info in engines.items() if info.get("status")}, expect or {}):
            raise _Refused(problem)
        return {**_NOTHING, **_decide(engines, dead, name or dead, to, list(strategies or []), fences or {})}
    except _Refused as refused:
        return {**_NOTHING, "error": str(refused)}


def failover_fenced(decision: dict, confirmed: bool, word: str = "", problem: str = "") -> dict:
    """What shuts the dead host out: {how, error}; error is set where nothing does.

    confirmed: it was seen to be off, or its engine to have ended; word: of a person who says so; problem: why it was not seen.
    """
    if decision["ended"]:
        return {"how": "its engine has ended, and holds nothing since it came back", "error": ""}
    if confirmed:
        return {"how": "it was seen to be off", "error": ""}
    if word:
        return {"how": f"a person says so: {word}", "error": ""}
    if decision["shut_out"]:
        return {"how": "its venues refuse every lower epoch", "error": ""}
    why = problem or "it was not seen to be off"
    return {"how": "", "error": f"nothing shuts {' and '.join(decision['holders'])} out: {why}, and not every venue refuses lower epochs; "
                                "power it off, then say so: -e failover_confirmed=WHY; nothing was taken over"}


def _decide(engines: dict, dead: str, name: str, to: str, wanted: list, fences: dict) -> dict:
    status = {host: info["status"] for host, info in engines.items() if info.get("status")}
    taker = _taker(engines, status, dead, to)
    lost = _lost(status[taker], taker, name, wanted)
    if not lost:
        return {"taker": taker, "say": f"{dead} holds nothing: nothing to take over"}
    if not status[taker]["database"]["connected"]:
        raise _Refused(f"{taker}: no database that takes its claim; bring a primary up first (database_failover.yml)")
    where = killed(chosen(status[taker], list(lost)))
    if where:
        raise _Refused(f"{taker}: kill switch is latched in {' and '.join(where)}; find out why, then clear it (killswitch_clear.yml)")
    shut_out = all(fences.get(row["venue"], "none") == "epoch" for row in lost.values())
    return {"move": True, "taker": taker, "strategies": sorted(lost), "holders": sorted({row["holder"] for row in lost.values()}),
            "epochs": {one: row["epoch"] for one, row in sorted(lost.items())}, "ended": dead in status, "shut_out": shut_out,
            "say": f"{taker} takes over {', '.join(sorted(lost))}, which {dead} held"}


def _taker(engines: dict, status: dict, dead: str, to: str) -> str:
    for variable, host in (("failover_from", dead), ("failover_to", to)):
        if host not in engines and (host or variable == "failover_from"):
            raise _Refused(f"{variable}={host}: no such engine in this inventory; one of {', '.join(sorted(engines))}")
    if to == dead:
        raise _Refused(f"failover_to={to}: is the host that is lost; name another")
    if dead in status and held(status[dead]):
        mine = ", ".join(held(status[dead]))
        raise _Refused(f"{dead}: answers, and holds {mine}; move it with transfer.yml, or stop it with killswitch.yml")
    taker = to or _only_other(status, dead)
    if taker not in status:
        raise _Refused(f"{taker}: cannot take over, it does not answer ({engines[taker].get('reason') or 'host cannot be reached'})")
    return taker


def _lost(status: dict, taker: str, name: str, wanted: list) -> dict:
    """Rows that name the lost engine, of those that are wanted."""
    rows = {one["id"]: one for one in status["strategies"]}
    lacking = sorted(set(wanted) - set(rows))
    if lacking:
        raise _Refused(f"{taker}: cannot take over, it has no strategy {', '.join(lacking)}; there are {', '.join(sorted(rows)) or 'none'}")
    lost = {one: row for one, row in rows.items() if (row["holder"] or "").partition("/")[0] == name and one in (wanted or rows)}
    others = [f"{one} is held by {rows[one]['holder'] or 'nobody'}" for one in wanted if one not in lost]
    if others:
        raise _Refused(f"failover_strategies: {'; '.join(others)}, not by {name}")
    return lost


def _only_other(status: dict, dead: str) -> str:
    others = sorted(host for host in status if host != dead)
    if len(others) != 1:
        raise _Refused(f"failover_to: which engine takes over? {', '.join(others) or 'no other answers'}; name one")
    return others[0]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"failover_decision": failover_decision, "failover_fenced": failover_fenced}
