# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over what every engine said: who trades, what a wish means now, and the table of it."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, has_right, held, killed

ACTIONS = ("start", "stop", "flatten", "status")
_END_IT = "end it on its host: systemctl kill --signal=KILL hft_system (systemd brings it back as standby)"


def trading_decision(engines: dict, action: str, wanted: str = "", strategies: list | None = None, reason: str = "") -> dict:
    """Which engines are to act, on which strategies, and one line that says why; error is set when it must not be done.

    engines: answers of engine_info by host; wanted: this engine alone; strategies: these alone;
    reason: why positions are closed.
    The result's engines: strategies by host, an empty list for all that the engine has.
    """
    try:
        act, say = _decide(engines, action, wanted or "", strategies or [])
        if action == "flatten" and not reason:
            raise _Refused("trading_reason: required with trading_action=flatten, one line that says why; it stays in the engine's log")
    except _Refused as refused:
        return {"engines": {}, "say": "", "error": str(refused)}
    return {"engines": act, "say": say, "error": ""}


def trading_rows(engines: dict) -> list:
    """One row for each strategy of each engine, and one for each engine that does not answer."""
    alive = {info["status"]["holder"] for info in engines.values() if info.get("status")}
    rows = []
    for host, info in sorted(engines.items()):
        status = info.get("status") or {}
        if not status:
            rows.append({"engine": host, "role": "NO ANSWER"})
        rows += [_row(host, status, one, alive) for one in status.get("strategies", [])]
    return rows


def _row(host: str, status: dict, strategy: dict, alive: set) -> dict:
    mine = strategy["holder"] == status["holder"]
    return {
        "engine": host,
        "version": status["version"],
        "role": "KILLED" if status["killswitch"] or strategy["killed"] else status["role"],
        "strategy": strategy["id"],
        "holder": _holder(strategy["holder"], alive),
        "epoch": strategy["epoch"],
        "trading": "yes" if strategy["trading"] else "no",
        "state": strategy["state"] + (" on paper" if strategy.get("paper_trading") else ""),
        "orders": strategy["performance"]["orders"],
        # What another holds, this engine last knew when it held it.
        "open": strategy.get("open_orders", "") if mine else "",
        "position": strategy.get("position", "") if mine else "",
        "pnl_usd": round(strategy["performance"].get("daily_pnl_usd", 0.0), 2),
    }


def killswitch_rows(hosts: dict, strategy: str = "") -> list:
    """What each engine confirmed after the kill switch was pressed: one row for each of its strategies.

    hosts: variables of each host, among them killswitch_latched, killswitch_problem and killswitch_after.
    """
    rows = []
    status_of = {host: (known.get("killswitch_after") or {}).get("status") or {} for host, known in hosts.items()}
    somewhere = any(one["id"] == strategy for status in status_of.values() for one in status.get("strategies", []))
    for host, known in sorted(hosts.items()):
        said = known.get("killswitch_latched") or {}
        status = status_of[host]
        problem = known.get("killswitch_problem") or said.get("msg") or ("" if said.get("killswitch") or said.get("changed") is not None
                                                                         else "host cannot be reached")
        concerned = [one for one in status.get("strategies", []) if strategy in ("", one["id"])]
        if status and not concerned and not strategy:
            # Nothing is loaded: the engine's own switch is all there is.
            rows.append({"engine": host, "confirmed": "yes" if status["killswitch"] and not problem else "NO", "detail": problem})
        elif status and not concerned:
            # Where another engine has it, this one refused to latch what it cannot trade.
            rows.append({"engine": host, "confirmed": "yes" if somewhere else "NO", "strategy": strategy, "detail": "has no such strategy"})
        elif not concerned:
            rows.append({"engine": host, "confirmed": "NO", "detail": problem or "does not answer any more"})
        for one in concerned:
            still = not one["trading"] and (status["killswitch"] or one["killed"])
            rows.append({"engine": host, "confirmed": "yes" if still and not problem else "NO", "strategy": one["id"],
                         "holder": one["holder"] or "nobody", "trading": "YES" if one["trading"] else "no", "detail": problem})
    return rows


def killswitch_fences(hosts: dict, strategy: str = "") -> list:
    """What is to be fenced at the venue, and by which engine: [{engine, strategy}]. Empty when every engine confirmed.

    An engine that did not confirm may hold whatever no confirmed engine holds; the first confirmed one that has the strategy shuts it out.
    hosts: as in killswitch_rows.
    """
    rows = killswitch_rows(hosts, strategy)
    silent = {row["engine"] for row in rows if row["confirmed"] != "yes"}
    confirmed = {host: hosts[host]["killswitch_after"]["status"] for host in sorted({row["engine"] for row in rows} - silent)}
    ours = {status["holder"] for status in confirmed.values()}
    fences: dict[str, str] = {}
    for host, status in confirmed.items() if silent else ():
        for one in status["strategies"]:
            if strategy in ("", one["id"]) and one["holder"] not in ours:
                fences.setdefault(one["id"], host)
    return [{"engine": host, "strategy": name} for name, host in sorted(fences.items())]


def _holder(holder: str | None, alive: set) -> str:
    """Who the row names; a process that no engine here answers as has ended, or cannot be reached."""
    if holder is None:
        return "nobody"
    return holder if holder in alive else f"{holder} (not answering)"


class _Refused(Exception):
    """One line for the operator."""


def _decide(engines: dict, action: str, wanted: str, strategies: list) -> tuple[dict, str]:
    if not isinstance(engines, dict):
        raise AnsibleFilterError(f"hft.ops.trading_decision: expected engines as a dictionary, found {type(engines).__name__}")
    if action not in ACTIONS:
        raise _Refused(f"trading_action={action}: expected one of {', '.join(ACTIONS)}")
    if wanted and wanted not in engines:
        raise _Refused(f"trading_engine={wanted}: no such engine in this inventory; one of {', '.join(sorted(engines))}")
    if isinstance(strategies, str):
        raise _Refused(f"trading_strategies={strategies}: expected a list, as in -e '{{\"trading_strategies\": [\"{strategies}\"]}}'")
    status = {host: chosen(info["status"], strategies) for host, info in engines.items() if info.get("status")}
    silent = {host: info.get("reason") or "host cannot be reached" for host, info in engines.items() if not info.get("status")}
    known = {one["id"] for document in status.values() for one in document["strategies"]}
    if set(strategies) - known:
        # A silent one may be the one that has it.
        there = sorted({one["id"] for info in engines.values() for one in (info.get("status") or {}).get("strategies", [])})
        raise _Refused(f"trading_strategies: {', '.join(sorted(set(strategies) - known))} on no engine that answers; "
                       f"there {'is' if len(there) == 1 else 'are'} {', '.join(there) or 'none'}"
                       + (f"; no answer from {_reasons(silent)}" if silent else ""))
    holders = sorted(host for host, one in status.items() if (held(one) if strategies else has_right(one)))
    say = f"held by {', '.join(holders)}" if holders else "held by nobody that answers"
    if action == "status":
        return {}, say
    if action == "stop":
        return _decide_stop(status, silent, wanted, strategies, say)
    if action == "flatten":
        return _decide_flatten(status, silent, holders, wanted), say
    if strategies:
        return _decide_start_of(strategies, status, silent, wanted)
    return _decide_start(status, silent, holders, wanted)


def _decide_start(status: dict, silent: dict, holders: list, wanted: str) -> tuple[dict, str]:
    _refuse_silent("started", silent, wanted)
    others = [host for host in holders if host != wanted]
    if others and wanted:
        rows = "; ".join(f"{one['id']} is held by {one['holder']} (epoch {one['epoch']})" for one in status[others[0]]["strategies"])
        # It lost the right, by a row that was latched perhaps, and its name stays in the row until somebody claims it.
        trades = any(one["trading"] for one in status[others[0]]["strategies"])
        there = "" if trades else f"{others[0]} does not trade any more: start it there, or "
        raise _Refused(f"{wanted}: cannot be started, {rows}; {there}stop it first (-e trading_action=stop)")
    if not holders and not wanted:
        raise _Refused(f"trading_engine: required, because nobody holds the lease; one of {', '.join(sorted(status)) or 'none answers'}")
    target = wanted or holders[0]
    _refuse_killed("started", target, status[target])
    return {target: []}, f"{target} already holds" if target in holders else f"nobody holds; {target} asks for the lease"


def _decide_start_of(strategies: list, status: dict, silent: dict, wanted: str) -> tuple[dict, str]:
    """Each on the engine that holds it; what nobody holds, on the wanted one."""
    _refuse_silent("started", silent, wanted)
    act: dict[str, list] = {}
    for name in strategies:
        host = next((host for host, one in sorted(status.items()) if name in held(one)), "")
        if host and wanted not in ("", host):
            raise _Refused(f"{wanted}: cannot start {name}, it is held by {host}; move it there first (transfer.yml)")
        target = host or wanted
        if not target:
            raise _Refused(f"trading_engine: required, because nobody holds {name}; one of {', '.join(sorted(status))}")
        if name not in [one["id"] for one in status[target]["strategies"]]:
            raise _Refused(f"{target}: cannot start {name}, it has no such strategy")
        act.setdefault(target, []).append(name)
    for host, names in act.items():
        _refuse_killed("started", host, chosen(status[host], names))
    return act, "; ".join(f"{host} starts {', '.join(names)}" for host, names in act.items())


def _decide_stop(status: dict, silent: dict, wanted: str, strategies: list, say: str) -> tuple[dict, str]:
    _refuse_silent("stopped", silent, wanted, f"; {_END_IT}")
    asked = {host: one for host, one in status.items() if not wanted or host == wanted}
    _refuse_lost(asked, status, silent)
    if strategies:
        running = {host: [row["id"] for row in one["strategies"] if row["state"] == "running" or row["id"] in held(one)]
                   for host, one in sorted(asked.items())}
        return {host: names for host, names in running.items() if names}, say
    return {host: [] for host, one in sorted(asked.items()) if _stirs(one)}, say


def _decide_flatten(status: dict, silent: dict, holders: list, wanted: str) -> dict:
    """Only who holds a strategy can close its position."""
    _refuse_silent("made flat", silent, wanted, f"; {_END_IT}, then start it where it answers and flatten there")
    asked = {host: one for host, one in status.items() if not wanted or host == wanted}
    _refuse_lost(asked, status, silent)
    act = {host: held(status[host]) for host in holders if host in asked and held(status[host])}
    if not act:
        raise _Refused(f"{wanted or 'no engine'} holds {'none of it' if wanted else 'it'}: only a holder can close a position; "
                       "start it first (-e trading_action=start)")
    for host, names in act.items():
        _refuse_killed("made flat", host, chosen(status[host], names))
    return act


def _refuse_silent(what: str, silent: dict, wanted: str, more: str = "") -> None:
    if wanted in silent:
        raise _Refused(f"{wanted}: cannot be {what}, it does not answer ({silent[wanted]}){more}")


def _refuse_killed(what: str, host: str, status: dict) -> None:
    where = killed(status)
    if where:
        raise _Refused(f"{host}: cannot be {what}, the kill switch is latched in {' and '.join(where)}; "
                       f"find out why, then clear it (DELETE /api/v1/killswitch)")


def _refuse_lost(asked: dict, status: dict, silent: dict) -> None:
    """A row that names an engine which does not answer: acting on the others would be told as a success that it is not."""
    answering = {one["holder"] for one in status.values()}
    lost = sorted({f"{row['id']} is held by {row['holder']} (epoch {row['epoch']})" for one in asked.values() for row in one["strategies"]
                   if row["holder"] and row["holder"] not in answering}) if silent else []
    if lost:
        raise _Refused(f"{'; '.join(lost)}, which does not answer ({_reasons(silent)}); it may trade on; {_END_IT}")
    if silent and not status:
        raise _Refused(f"no engine answers: {_reasons(silent)}; {_END_IT}")


def _stirs(status: dict) -> bool:
    """Whether a stop has anything to do on this engine."""
    return has_right(status) or status["trading_enabled"] or any(one["state"] == "running" for one in status["strategies"])


def _reasons(silent: dict) -> str:
    return "; ".join(f"{host}: {why}" for host, why in sorted(silent.items()))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"trading_decision": trading_decision, "trading_rows": trading_rows, "killswitch_rows": killswitch_rows,
                "killswitch_fences": killswitch_fences}
