# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that say which strategies a canary takes at which step, by what the lease rows say now, and under which limits."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, held, killed, newest

_UNKNOWN_RISK = float("inf")
_SHADOW = "shadow-"
_LONGEST_NAME = 32
_LONGEST = 8  # steps of one run: so many are written down in canary.yml


class _Refused(Exception):
    """One line for the operator."""


def canary_decision(engines: dict, version: str, steps: list, to: str = "", strategies: list | None = None,
                    risks: dict | None = None) -> dict:
    """The steps that are left, of what the engines say of the lease rows; error is set when nothing may be moved.

    engines: answers of engine_info by host; version: of the release that the canary is to run; steps: percentages of the strategies,
    ascending; to: host of the canary; strategies: what may move, all of the two engines where none is named; risks: a number by strategy,
    the lowest moves first, one without a number last.
    As transfer_decision's answer, where giver is the baseline and taker the canary; besides it held: what the canary holds already; steps:
    each with percent, share (in percent, as it comes out), names (what the canary holds afterwards), left (what the baseline still holds),
    moves (none: what it holds is looked at again) and name, which the same rows give again.
    """
    nothing = {"move": False, "giver": "", "taker": "", "strategies": [], "stopped": [], "held": [], "steps": [], "say": "", "error": ""}
    try:
        if isinstance(strategies, str):
            raise _Refused(f"strategies: expected a list, found {strategies!r}")
        _check_steps(steps)
        return {**nothing, **_decide(engines, version, steps, to, list(strategies or []), dict(risks or {}))}
    except _Refused as refused:
        return {**nothing, "error": str(refused)}


def canary_plan(steps: list) -> list:
    """The steps as rows of a table."""
    return [{"step": f"{one['percent']} %", "share": f"{one['share']} %", "moves": " ".join(one["moves"]) or "(looked at again)",
             "canary holds": " ".join(one["names"]), "baseline holds": " ".join(one["left"])} for one in steps]


def strategy_risks(strategies: list, given: dict | None = None) -> dict:
    """A number by strategy: the given one, or the notional in USD that its limits allow; what is on paper shows nothing, and goes last."""
    risks = {one["id"]: float("inf") if one.get("paper_trading") else (one.get("limits") or {}).get("max_notional") for one in strategies}
    return {name: float(risk) for name, risk in {**risks, **(given or {})}.items() if risk is not None}


def limits_share(strategies: list, percent: float) -> list:
    """The same strategies under limits that are this share of their own; what is no amount (rates, collars, counts) stays."""
    share = float(percent) / 100
    if not 0 < share <= 1:
        raise AnsibleFilterError(f"hft.ops.limits_share: expected more than 0 and at most 100 percent, found {percent}")
    if share == 1:
        return strategies
    amounts = ("max_position", "max_notional", "daily_loss_usd")
    return [{**one, "limits": {key: value * share if key in amounts else value for key, value in (one.get("limits") or {}).items()}}
            for one in strategies]


def shadow_strategies(strategies: list, names: list) -> list:
    """A twin on paper of each named strategy: the same type, market, limits and parameters."""
    twins = [{**one, "id": f"{_SHADOW}{one['id']}", "paper_trading": True} for one in strategies if one["id"] in names]
    long = [one["id"] for one in twins if len(one["id"]) > _LONGEST_NAME]
    if long:
        raise AnsibleFilterError(f"hft.ops.shadow_strategies: {', '.join(long)}: longer than the {_LONGEST_NAME} characters that an engine "
                                 f"takes; strategies that are shadowed need names of at most {_LONGEST_NAME - len(_SHADOW)}")
    return twins


def _check_steps(steps: object) -> None:
    whole = isinstance(steps, list) and all(isinstance(one, int) and 0 < one <= 100 for one in steps)
    if not whole or not steps or steps != sorted(set(steps)) or len(steps) > _LONGEST:
        raise _Refused(f"steps {steps}: expected 1 to {_LONGEST} whole percentages from 1 to 100, ascending, such as [10, 25, 50, 75, 100]")


def _decide(engines: dict, version: str, steps: list, to: str, only: list, risks: dict) -> dict:
    status = {host: info["status"] for host, info in engines.items() if info.get("status")}
    if to and to not in engines:
        raise _Refused(f"to={to}: no such engine in this inventory; one of {', '.join(sorted(engines))}")
    if to and to not in status:
        raise _Refused(f"{to}: cannot be the canary, it does not answer ({engines[to].get('reason') or 'host cannot be reached'})")
    owners = _owners(status, only)
    taker = to or _canary(status, owners, version)
    if not taker:
        return {"say": f"{', '.join(sorted(set(owners.values())))} trades {version} already"}
    others = sorted(set(owners.values()) - {taker})
    if len(others) > 1:
        raise _Refused(f"{' and '.join(others)} hold strategies beside {taker}: name those of one of them, the baseline")
    giver = others[0] if others else _only_other(status, taker)
    mine = sorted(name for name, host in owners.items() if host == taker)
    if mine and version and status[taker]["version"] != version:
        raise _Refused(f"{taker} holds {', '.join(mine)} on {status[taker]['version']}, and {version} is wanted: "
                       "take them back first (transfer.yml), or end that canary")
    _check_sides(status, giver, taker, owners)
    order = mine + sorted((name for name in owners if name not in mine), key=lambda name: (risks.get(name, _UNKNOWN_RISK), name))
    rows = {one["id"]: one for host in {giver, taker} & set(status) for one in status[host]["strategies"]
            if owners.get(one["id"]) == host}
    plan = _steps(order, len(mine), steps, rows)
    moving = [name for one in plan for name in one["moves"]]
    sides = {"from": {"engine": giver, "version": status.get(giver, {}).get("version")},
             "to": {"engine": taker, "version": status[taker]["version"]}}
    return {"move": bool(moving), "giver": giver, "taker": taker, "strategies": moving, "held": mine, "steps": plan,
            "stopped": [name for name in order if rows[name]["state"] != "running"],
            "say": f"canary {taker} holds {len(mine)} of {len(order)} strategies; "
                   + (f"to come from {giver} ({sides['from']['version']}): {', '.join(moving)}" if moving else "nothing is left to move"),
            **sides}


def _owners(status: dict, only: list) -> dict:
    """The host that holds, by strategy that may move."""
    if not status:
        raise _Refused("no engine answers: nothing can be moved; killswitch.yml fences at the venue")
    rows = newest(status)
    missing = sorted(set(only) - set(rows))
    if missing:
        raise _Refused(f"strategies {', '.join(missing)}: on no engine that answers; there are {', '.join(sorted(rows))}")
    hosts = {document["holder"]: host for host, document in status.items()}
    found = {}
    for name in only or sorted(rows):
        holder = rows[name]["holder"]
        if holder is not None and holder not in hosts:
            raise _Refused(f"{name}: held by {holder} (epoch {rows[name]['epoch']}), which does not answer; "
                           "that is a failover, not a canary")
        if holder is not None:
            found[name] = hosts[holder]
        elif only:
            raise _Refused(f"{name}: held by nobody; start it instead (trading.yml -e trading_action=start)")
    if not found:
        raise _Refused("nobody holds anything; start it instead (trading.yml -e trading_action=start)")
    return found


def _canary(status: dict, owners: dict, version: str) -> str:
    """The engine that runs the release and holds a part of it already; else the only one that holds nothing. "" where all trade it."""
    holders = set(owners.values())
    on_it = {host for host in holders if status[host]["version"] == version}
    if on_it == holders:
        return ""
    if len(on_it) == 1:
        return next(iter(on_it))
    idle = sorted(host for host in status if not held(status[host]))
    if len(idle) != 1:
        raise _Refused(f"which engine is the canary? {', '.join(idle) or 'every one holds something'}; name one (canary_to)")
    return idle[0]


def _only_other(status: dict, taker: str) -> str:
    """Who could take back; "" where that is not clear."""
    others = [host for host in status if host != taker]
    return others[0] if len(others) == 1 else ""


def _check_sides(status: dict, giver: str, taker: str, owners: dict) -> None:
    lacking = sorted(set(owners) - {one["id"] for one in status[taker]["strategies"]})
    if lacking:
        raise _Refused(f"{taker}: cannot take, it has no strategy {', '.join(lacking)}")
    for host in filter(None, (giver, taker)):
        where = killed(chosen(status[host], list(owners)))
        if where:
            raise _Refused(f"{host}: kill switch is latched in {' and '.join(where)}; find out why, then clear it (killswitch_clear.yml)")


def _steps(order: list, already: int, percents: list, rows: dict) -> list:
    """Shares round up: every step moves something, or it is none."""
    def step(percent: int, before: int, after: int) -> dict:
        moves = order[before:after]
        return {"percent": percent, "share": round(100 * after / len(order)), "names": order[:after], "left": order[after:],
                "moves": moves, "name": f"{after}-{sum(rows[name]['epoch'] for name in moves)}"}

    plan, now = [], already
    if already:
        plan.append(step(100 * already // len(order), already, already))
    for percent in percents:
        wanted = -(-percent * len(order) // 100)
        if wanted > now:
            plan.append(step(percent, now, wanted))
            now = wanted
    return plan


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"canary_decision": canary_decision, "canary_plan": canary_plan, "strategy_risks": strategy_risks,
                "limits_share": limits_share, "shadow_strategies": shadow_strategies}
