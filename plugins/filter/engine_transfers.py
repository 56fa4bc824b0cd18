# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over a transfer: who gives and who takes, how long nobody traded, and where the time went."""

from __future__ import annotations

from datetime import datetime

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, held, killed, moved, newest

# What ends with each step of an engine's record.
_PHASES = {("giver", "drained"): "drain", ("giver", "committed"): "commit", ("taker", "woken"): "wake", ("taker", "claimed"): "claim",
           ("taker", "fenced"): "fence"}


class _Refused(Exception):
    """One line for the operator."""


def transfer_decision(engines: dict, to: str = "", strategies: list | None = None, away_from: str = "",
                      expect: dict | None = None) -> dict:
    """Who gives what to whom, by what the engines say now; error is set when it must not be done.

    engines: answers of engine_info by host; to: host of the taker; strategies: all that the giver holds where none is named;
    away_from: host that is to hold nothing afterwards; expect: epoch by strategy, refused where a row has another one. stopped in the
    answer: of the strategies, what does not run on the giver and is not to run on the taker.
    """
    if not isinstance(engines, dict):
        raise AnsibleFilterError(f"hft.ops.transfer_decision: expected engines as a dictionary, found {type(engines).__name__}")
    nothing = {"move": False, "giver": "", "taker": "", "strategies": [], "stopped": [], "holder": "", "epochs": {}, "say": "", "error": ""}
    try:
        if strategies and isinstance(strategies, str):
            raise _Refused(f"strategies: expected a list, found {strategies!r}")
        status = {host: info["status"] for host, info in engines.items() if info.get("status")}
        if problem := moved(status, expect or {}):
            raise _Refused(problem)
        return {**nothing, **_decide(engines, status, to, list(strategies or []), away_from)}
    except _Refused as refused:
        return {**nothing, "error": str(refused)}


def transfer_outcome(decision: dict, identifier: str, giver: dict, taker: dict) -> dict:
    """What became of a transfer, by what the two sides said as far as it went.

    decision: of transfer_decision; giver: results of engine_transfer {ready, given}; taker: {ready, withdrawn, taken}; a part that is
    missing or was skipped said nothing. verdict is nothing (there was nothing to move), refused (the giver holds as before), in doubt
    (neither side tells), unproven (the taker has it, and was not seen to trade) or done; problem is one line, empty when nothing is wrong.
    """
    verdict, problem = _verdict(decision, giver, taker)
    records = {"giver": giver.get("given", {}).get("record") or {}, "taker": taker.get("taken", {}).get("record") or {}}
    phases = transfer_phases(records["giver"], records["taker"]) if all(records.values()) else []
    gap_ms = transfer_gap_ms(giver["given"], taker["taken"]) if all(records.values()) else None
    return {"id": identifier, "verdict": verdict, "problem": problem, "switch_ms": transfer_switch_ms(phases), "gap_ms": gap_ms,
            "phases": phases, "records": records}


def transfer_gap_ms(giver: dict, taker: dict) -> float | None:
    """Milliseconds between the last order accepted from the giver and the first from the taker, by the venue's clock; worst strategy.

    giver, taker: results of engine_transfer. None when the giver sent no order of any strategy that moved.
    """
    gaps = []
    for strategy in taker["record"]["strategies"]:
        last, first = giver["accepted"][strategy]["last_venue_ns"], taker["accepted"][strategy]["first_venue_ns"]
        if last and first:
            gaps.append((first - last) / 1e6)
    return round(max(gaps), 3) if gaps else None


def transfer_switch_ms(phases: list) -> float | None:
    """Milliseconds from the freeze of the giver to the answer of the taker's fence: nobody may trade; None when the steps are not known."""
    return round((phases[-1]["at_us"] + phases[-1]["took_us"]) / 1000, 3) if phases else None


def transfer_phases(giver: dict, taker: dict, since: str = "") -> list:
    """Where the time of a transfer went, in the order in which it happened.

    giver, taker: records of the two engines, by their hosts' wall clocks, so from one to the other their offset counts.
    A list of {part, phase, at_us, took_us}; at_us since the giver began, or since that moment (ISO 8601, UTC).
    """
    # A refused attempt stands in the records too: between it and the next the giver traded.
    given = _since("under way", giver.get("steps", []))
    if not given:
        return []
    begin = given[0]["wall_ns"]
    steps = [("giver", one["step"], one["wall_ns"]) for one in given]
    steps += [("taker", one["step"], one["wall_ns"]) for one in _since("armed", taker.get("steps", [])) or taker.get("steps", [])]
    zero = round(datetime.fromisoformat(since).timestamp() * 1e9) if since else begin
    phases, before = [], begin
    for part, step, at in sorted(steps, key=lambda one: one[2]):
        if (part, step) in _PHASES:
            phases.append({"part": part, "phase": _PHASES[part, step], "at_us": max(0, before - zero) // 1000,
                           "took_us": (at - before) // 1000})
            before = at
    return phases


def _verdict(decision: dict, giver: dict, taker: dict) -> tuple[str, str]:
    if decision["error"]:
        return "refused", decision["error"]
    if not decision["move"]:
        return "nothing", ""
    not_ready = "; ".join(filter(None, (_wrong(side.get("ready", {})) for side in (giver, taker))))
    if not_ready:
        return "refused", not_ready
    not_given, withdrawn = _wrong(giver.get("given", {})), taker.get("withdrawn", {})
    if not_given and not _wrong(withdrawn):
        return "refused", not_given
    # Not withdrawn because it was carried out: the giver could not tell, the taker can.
    if not_given and withdrawn.get("outcome") != "done":
        return "in doubt", f"{not_given}; {_wrong(withdrawn)}; the rows tell who holds: status.yml"
    not_taken = _wrong(taker.get("taken", {}))
    return ("unproven", not_taken) if not_taken else ("done", "")


def _wrong(result: dict) -> str:
    """Why a task did not succeed; empty when it did, or was not run."""
    if result.get("failed") or result.get("unreachable"):
        return result.get("msg") or "could not be asked"
    return ""


def _since(step: str, steps: list) -> list:
    """From the last such step on; nothing where there is none."""
    last = max((i for i, one in enumerate(steps) if one["step"] == step), default=len(steps))
    return steps[last:]


def _decide(engines: dict, status: dict, to: str, strategies: list, away_from: str) -> dict:
    for name, host in (("to", to), ("away_from", away_from)):
        if host and host not in engines:
            raise _Refused(f"{name}={host}: no such engine in this inventory; one of {', '.join(sorted(engines))}")
    if to and to == away_from:
        raise _Refused(f"to={to}: is the engine that is to give; name another")
    wanted = strategies or sorted({one["id"] for document in status.values() for one in document["strategies"]})
    giver, mine = _giver(status, wanted, bool(strategies), away_from)
    if not mine:
        return {"say": f"{away_from} holds nothing of it: nothing to move"}
    if to == giver:
        return {"giver": giver, "taker": to, "say": f"{to} holds {', '.join(mine)} already"}
    taker = to or _only_other(status, giver)
    if taker not in status:
        reason = engines[taker].get("reason") or "host cannot be reached"
        raise _Refused(f"{taker}: cannot take, it does not answer ({reason})")
    lacking = sorted(set(mine) - {one["id"] for one in status[taker]["strategies"]})
    if lacking:
        raise _Refused(f"{taker}: cannot take, it has no strategy {', '.join(lacking)}")
    for host in (giver, taker):
        where = killed(chosen(status[host], mine))
        if where:
            raise _Refused(f"{host}: kill switch is latched in {' and '.join(where)}; find out why, then clear it (killswitch_clear.yml)")
    rows = {one["id"]: one for one in status[giver]["strategies"] if one["id"] in mine}
    return {"move": True, "giver": giver, "taker": taker, "strategies": mine,
            "stopped": [name for name, row in sorted(rows.items()) if row["state"] != "running"], "holder": status[giver]["holder"],
            "epochs": {name: row["epoch"] for name, row in rows.items()},
            "from": {"engine": giver, "version": status[giver]["version"]}, "to": {"engine": taker, "version": status[taker]["version"]},
            "say": f"{', '.join(mine)}: from {giver} ({status[giver]['version']}) to {taker} ({status[taker]['version']})"}


def _giver(status: dict, wanted: list, named: bool, away_from: str) -> tuple[str, list]:
    """The engine that holds, and what of the wanted it holds."""
    if not status:
        raise _Refused("no engine answers: nothing can be moved; killswitch.yml fences at the venue")
    holders = {document["holder"]: host for host, document in status.items()}
    rows = newest(status)
    missing = sorted(set(wanted) - set(rows))
    if missing:
        raise _Refused(f"strategies {', '.join(missing)}: on no engine that answers; there are {', '.join(sorted(rows))}")
    by_host: dict[str, list] = {}
    for name in wanted:
        holder = rows[name]["holder"]
        if holder is None:
            if not away_from and (named or len(wanted) == 1):
                raise _Refused(f"{name}: held by nobody; start it instead (trading.yml -e trading_action=start)")
            continue
        if holder not in holders:
            raise _Refused(f"{name}: held by {holder} (epoch {rows[name]['epoch']}), which does not answer; "
                           "that is a failover, not a transfer")
        by_host.setdefault(holders[holder], []).append(name)
    if away_from:
        return away_from, by_host.get(away_from, [])
    if not by_host:
        raise _Refused("nobody holds anything; start it instead (trading.yml -e trading_action=start)")
    if len(by_host) > 1:
        held_by = "; ".join(f"{host} holds {', '.join(names)}" for host, names in sorted(by_host.items()))
        raise _Refused(f"{held_by}: a transfer has one giver; name the strategies of one")
    return next(iter(by_host.items()))


def _only_other(status: dict, giver: str) -> str:
    """The only other one that answers; of several the only one that holds nothing."""
    others = sorted(host for host in status if host != giver)
    idle = [host for host in others if not held(status[host])]
    for fit in (others, idle):
        if len(fit) == 1:
            return fit[0]
    raise _Refused(f"who takes from {giver}? {', '.join(idle or others) or 'no other engine answers'}; name one")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"transfer_decision": transfer_decision, "transfer_outcome": transfer_outcome, "transfer_gap_ms": transfer_gap_ms,
                "transfer_switch_ms": transfer_switch_ms, "transfer_phases": transfer_phases}
