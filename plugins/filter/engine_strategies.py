# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that says whether a strategy may be loaded, go on paper, trade live or be unloaded now, gate by gate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ansible_collections.hft.ops.plugins.module_utils._engine_status import held

ACTIONS = ("load", "paper", "promote", "stop", "unload")


def strategy_decision(hosts: dict, action: str, name: str, engine: str = "", soak: dict | None = None) -> dict:
    """Rows of gates for people, the engine that is concerned, and error, one line, where it must not be done.

    hosts: variables of each host, among them strategy_before (answer of engine_info) and engine_strategies; engine: where it goes on paper;
    soak: of promote: now (ISO 8601, UTC), records (of deployments, newest first; they tell since when it is on paper), soak_s, min_orders.
    """
    if action not in ACTIONS:
        return _refused(f"strategy_action={action}: expected one of {', '.join(ACTIONS)}")
    if not name:
        return _refused("strategy_id: required, the id of one strategy")
    if engine and engine not in hosts:
        return _refused(f"strategy_engine={engine}: no such engine in this inventory; one of {', '.join(sorted(hosts))}")
    infos = {host: (known.get("strategy_before") or {}).get("status") or {} for host, known in sorted(hosts.items())}
    entries = {host: next((one for one in known.get("engine_strategies") or [] if one.get("id") == name), None)
               for host, known in sorted(hosts.items())}
    silent = [host for host, status in infos.items() if not status]
    rows = [_gate("engines", "every one answers", f"no answer from {', '.join(silent)}" if silent else "all answer", not silent)]
    holder = next((host for host, status in infos.items() if status and name in held(status)), "")
    target = holder
    if action == "load":
        rows.append(_inventory(entries, "on paper", lambda one: one is not None and one.get("paper_trading") is True))
    if action == "paper":
        rows.append(_loaded_on_paper(infos, name))
        target = holder or engine or _idle(infos)
        rows.append(_gate("engine", "one that holds it, or strategy_engine", target or "none named, and not one alone holds nothing",
                          bool(target) and engine in ("", target)))
    if action == "promote":
        rows.append(_inventory(entries, "live", lambda one: one is not None and not one.get("paper_trading")))
        rows += _soaked(infos.get(holder) or {}, holder, name, soak or {})
    if action == "stop":
        rows.append(_gate("engine", "one that has it", holder or "held by nobody", any(_row(status, name) for status in infos.values())))
    if action == "unload":
        rows.append(_inventory(entries, "not there", lambda one: one is None))
        rows += _leaves(infos.get(holder) or {}, name)
    wrong = [row for row in rows if row["verdict"] == "fail"]
    error = "; ".join(f"{row['gate']}: asked {row['asked']}, found {row['found']}" for row in wrong)
    return {"rows": rows, "engine": target, "held": bool(holder), "error": error}


def _refused(why: str) -> dict:
    return {"rows": [], "engine": "", "held": False, "error": why}


def _gate(gate: str, asked: object, found: object, ok: bool) -> dict:
    return {"gate": gate, "asked": str(asked), "found": str(found), "verdict": "pass" if ok else "fail"}


def _inventory(entries: dict, asked: str, good: Callable) -> dict:
    found = {host: "not there" if one is None else "on paper" if one.get("paper_trading") else "live" for host, one in entries.items()}
    return _gate("inventory (engine_strategies)", asked, ", ".join(f"{host}: {what}" for host, what in found.items()),
                 all(good(one) for one in entries.values()))


def _idle(infos: dict) -> str:
    """The only engine that holds nothing: a soak there disturbs nobody."""
    idle = [host for host, status in infos.items() if status and not held(status)]
    return idle[0] if len(idle) == 1 else ""


def _row(status: dict, name: str) -> dict:
    return next((one for one in status.get("strategies", []) if one["id"] == name), {})


def _loaded_on_paper(infos: dict, name: str) -> dict:
    found = {host: _row(status, name) for host, status in infos.items()}
    said = {host: "not loaded" if not one else "on paper" if one["paper_trading"] else "live" for host, one in found.items()}
    return _gate("loaded", "on paper on every engine (strategy_action=load)", ", ".join(f"{host}: {what}" for host, what in said.items()),
                 all(what == "on paper" for what in said.values()))


def _soaked(status: dict, holder: str, name: str, soak: dict) -> list:
    one = _row(status, name)
    state = f"{one['state']} {'on paper' if one['paper_trading'] else 'live'} on {holder}" if one else "held by nobody"
    rows = [_gate("state", "running on paper", state, bool(one) and one["state"] == "running" and one["paper_trading"])]
    since = next((record for record in soak["records"] if (record.get("to") or {}).get("engine") == holder), None)
    soaked_s = (datetime.fromisoformat(soak["now"]) - datetime.fromisoformat(since["finished_at"])).total_seconds() if since else None
    found = f"{soaked_s:.0f} s" if since else "no record of its start on paper there (strategy_action=paper makes it)"
    rows.append(_gate("soak", f"at least {float(soak['soak_s']):g} s", found, bool(since) and soaked_s >= float(soak["soak_s"])))
    # A process that is younger than the soak lost what came before.
    uptime_s = status.get("uptime_seconds", 0)
    rows.append(_gate("engine up", "since before the soak began", f"{uptime_s:.0f} s", bool(since) and uptime_s >= soaked_s))
    orders = one["performance"].get("paper_orders", 0) if one else 0
    rows.append(_gate("orders on paper", f"at least {int(soak['min_orders'])}", orders, orders >= int(soak["min_orders"])))
    return rows


def _leaves(status: dict, name: str) -> list:
    """Gates of an engine that is to give its lease back; the engine gives back all that it holds or nothing."""
    one = _row(status, name)
    if not one:
        return [_gate("lease", "held by nobody, or by an engine that holds nothing else", "held by nobody", True)]
    others = [other for other in held(status) if other != name]
    return [_gate("lease", "held by nobody, or by an engine that holds nothing else",
                  f"{status['engine']} holds {', '.join(others)} too: move them away first (transfer.yml)" if others else status["engine"],
                  not others),
            _gate("position", "0 and no open order (trading.yml -e trading_action=flatten)",
                  f"{one['position']:g}, open orders {one['open_orders']}", one["position"] == 0 and one["open_orders"] == 0)]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"strategy_decision": strategy_decision}
