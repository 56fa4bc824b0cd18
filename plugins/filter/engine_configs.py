# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that says how a changed configuration comes to every engine without disturbing trading."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._engine_status import has_right, held

_SHOWN = 4


def config_decision(hosts: dict, strategy: str = "", promote: bool = False) -> dict:
    """Which engines take a configuration up at once, and which one must be drained first; error is set when it must not be done.

    hosts: variables of each host, among them config_before (answer of engine_info) and engine_config_change (tasks config_plan of the role
    engine); strategy: nothing may come that concerns more than this one; promote: it may leave paper.
    The result: rows for people; now: hosts that reload, or restart while they hold nothing, those that hold nothing first; holder: the host
    that must hold nothing before its restart, "" when there is none; running: strategies that it holds and runs.
    """
    answers = {host: ((known.get("config_before") or {}).get("status") or {}, known.get("engine_config_change") or {})
               for host, known in sorted(hosts.items())}
    rows = [_row(host, status, change) for host, (status, change) in answers.items()]
    wrong = _unjudged(hosts, [row["engine"] for row in rows if row["way"] == "?"])
    for host, (status, change) in answers.items():
        wrong += _wrong(host, status, change, strategy, promote)
    holders = [row["engine"] for row in rows if row["way"] == "restart" and row["holds"]]
    if len(holders) > 1:
        wrong.append(f"{' and '.join(holders)} each hold strategies and must restart: one at a time, by config_hosts or --limit, "
                     "or bring all strategies to one engine first (transfer.yml)")
    error = "; ".join(dict.fromkeys(wrong))
    now = sorted((row for row in rows if row["way"] in ("reload", "restart")), key=lambda row: bool(row["holds"]))
    holder = "" if error else "".join(holders)
    status = answers[holder][0] if holder else {"strategies": []}
    return {"rows": rows,
            "now": [] if error else [row["engine"] for row in now if row["engine"] != holder], "holder": holder, "error": error,
            "running": [one["id"] for one in status["strategies"] if one["id"] in held(status) and one["state"] == "running"]}


def _row(host: str, status: dict, change: dict) -> dict:
    holds = ", ".join(held(status)) or ("a role without a row" if has_right(status) else "") if status else ""
    if not status or "way" not in change:
        return {"engine": host, "holds": holds, "way": "?", "keys": "refused" if status else "no answer"}
    keys = change["keys"]
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return {"engine": host, "holds": holds, "way": change["way"], "keys": " ".join(keys[:_SHOWN]) + more,
            "sha256": change["loaded_sha256"][:12]}


def _unjudged(hosts: dict, names: list) -> list:
    """Why these engines could not be judged; hosts with the same reason together."""
    reasons: dict[str, list] = {}
    for host in names:
        before, change = (hosts[host].get(key) or {} for key in ("config_before", "engine_config_change"))
        silent = f"does not answer ({before.get('reason') or 'cannot be reached'})"
        why = change.get("msg") or "was not judged" if before.get("status") else silent
        reasons.setdefault(why, []).append(host)
    return [f"{', '.join(same)}: {why}" for why, same in reasons.items()]


def _wrong(host: str, status: dict, change: dict, strategy: str, promote: bool) -> list:
    """What of the change must not come this way."""
    live = [one for one in change.get("differences", []) if one["layer"] == "live"]
    found = []
    for one in live:
        name = one["path"].removeprefix("/strategies/").partition("/")[0]
        promoted = one["path"] == f"/strategies/{name}/paper_trading" and one["before"] is True
        if promoted and not (promote and name == strategy):
            found.append(f"{name} would leave paper: strategy.yml -e strategy_action=promote -e strategy_id={name} does that, "
                         "once it has soaked")
        # strategy.yml has had it given back; in check mode it would have.
        if one["path"] == f"/strategies/{name}" and one["after"] is None and name in held(status) and name != strategy:
            found.append(f"{name} is no more in the configuration, and {host} holds it: "
                         f"strategy.yml -e strategy_action=unload -e strategy_id={name}")
    others = [key for key in change.get("keys", []) if strategy and not f"{key}/".startswith(f"/strategies/{strategy}/")]
    if others:
        found.append(f"{host}: more than {strategy} differs ({' '.join(others[:_SHOWN])}); bring that first (config.yml)")
    elif strategy and change.get("way") == "restart":
        found.append(f"{host}: {' '.join(change['keys'][:_SHOWN])} needs a restart; config.yml does that")
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"config_decision": config_decision}
