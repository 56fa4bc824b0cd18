# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over a rollout to regions: what each one runs, what is left to do, how one went, and how it all ended."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import held

DONE = "done"
HELD = "hold"
BACK = "back"
_LONGEST = 6  # regions of one run: so many are written down in regions.yml


def region_matrix(regions: list, engines: dict) -> list:
    """One row a region, of what its engines say.

    regions: each with name and engines (hosts); engines: answers of engine_info by host. trades: versions of the engines that hold a
    strategy, which are holders; versions: of all that answer; silent: those that do not.
    """
    rows = []
    for one in regions:
        status = {host: (engines.get(host) or {}).get("status") for host in one["engines"]}
        alive = {host: document for host, document in status.items() if document}
        rows.append({"region": one["name"],
                     "trades": sorted({document["version"] for document in alive.values() if held(document)}),
                     "holders": sorted(host for host, document in alive.items() if held(document)),
                     "versions": {host: document["version"] for host, document in sorted(alive.items())},
                     "silent": sorted(set(status) - set(alive))})
    return rows


def region_rows(matrix: list) -> list:
    """The matrix as rows of a table."""
    return [{"region": one["region"], "trades": " ".join(one["trades"]) or "nobody", "on": " ".join(one["holders"]),
             "installed": ", ".join(f"{number} on {version}" for version, number in _counted(one["versions"])),
             "no answer": " ".join(one["silent"])} for one in matrix]


def region_decision(matrix: list, version: str, only: list | None = None, max_versions: int = 2) -> dict:
    """What is left to do, in the order of the matrix, and error, one line, where it must not be begun.

    only: regions of this control node; every region before them must trade the release already. max_versions: so many different versions
    may trade at once in all regions, the wanted one among them. The result: todo and done (names), error.
    """
    names = [one["region"] for one in matrix]
    unknown = sorted(set(only or []) - set(names))
    done = [one["region"] for one in matrix if one["trades"] == [version]]
    todo = [name for name in names if name not in done and (not only or name in only)]
    trading = {other for one in matrix for other in one["trades"]} | {version}
    wrong = []
    if not version:
        wrong.append("no release: give regions_release, or a build host")
    if unknown:
        wrong.append(f"regions_only {', '.join(unknown)}: no such region; there are {', '.join(names)}")
    if not names or len(names) != len(set(names)) or len(names) > _LONGEST:
        wrong.append(f"regions: expected 1 to {_LONGEST} regions of different names, found {', '.join(names) or 'none'}")
    before = names[:names.index(todo[0])] if todo else []
    late = [name for name in before if name not in done]
    if late:
        wrong.append(f"{', '.join(late)} comes before {todo[0]} and does not trade {version} yet")
    if len(trading) > max_versions:
        wrong.append(f"{len(trading)} versions would trade at once ({', '.join(sorted(trading))}), at most {max_versions} may "
                     "(regions_max_versions): bring the regions together first")
    silent = [f"{one['region']} ({', '.join(one['silent'])})" for one in matrix if one["silent"] and one["region"] in todo]
    if silent:
        wrong.append(f"no answer from {'; '.join(silent)}")
    idle = [one["region"] for one in matrix if one["region"] in todo and not one["trades"] and not one["silent"]]
    if idle:
        wrong.append(f"nobody trades in {', '.join(idle)}: start it, or leave it out (regions_only)")
    return {"todo": todo, "done": done, "error": "; ".join(wrong)}


def region_result(name: str, cutover: dict, transfer: dict, decision: dict, bake: dict) -> dict:
    """How one region went: verdict (done goes on, hold stays as it is, back has gone back) and why, who gave and took what, the gap.

    cutover: of cutover_verdict; transfer: its transfer_outcome; decision: who gave what to whom; bake: of engine_watch after it, empty
    where it was skipped. A bake that measured something bad is hold here: the policy decides about the regions, this one among them.
    """
    told = {"region": name, "giver": decision.get("giver", ""), "taker": decision.get("taker", ""), "gap_ms": transfer.get("gap_ms"),
            "strategies": decision.get("strategies", []), "failed_bake": False}
    if cutover["verdict"] != "done":
        return {**told, "verdict": BACK if cutover["verdict"] in ("rolled_back", "refused") else HELD, "why": cutover["say"]}
    if bake.get("failed") or bake.get("unreachable"):
        return {**told, "verdict": HELD, "why": bake.get("msg") or "could not be asked", "failed_bake": bool(bake.get("measured"))}
    return {**told, "verdict": DONE, "why": ""}


def region_budget(told: list, elapsed_s: float, budget: dict) -> str:
    """What of the budget is used up, one line; empty while the next region may begin.

    budget: max_s and max_gap_ms, of all regions together.
    """
    gap_ms = sum(one["gap_ms"] or 0 for one in told)
    unknown = sorted(set(budget) - {"max_s", "max_gap_ms"})
    if unknown:
        raise AnsibleFilterError(f"regions_abort_budget.{unknown[0]}: expected max_s and max_gap_ms")
    if budget.get("max_s") is not None and elapsed_s >= float(budget["max_s"]):
        return f"{elapsed_s:.0f} s have passed, the budget is {float(budget['max_s']):g} s"
    if budget.get("max_gap_ms") is not None and gap_ms >= float(budget["max_gap_ms"]):
        return f"nobody traded for {gap_ms:g} ms in all, the budget is {float(budget['max_gap_ms']):g} ms"
    return ""


def region_returns(told: list, problem: str, policy: str) -> list:
    """Regions that go back, the last one first: every one that this run moved, where one did worse or the budget is used up.

    policy: rollback or hold. What was only refused or could not be measured moves nothing anywhere.
    """
    if policy not in ("rollback", "hold"):
        raise AnsibleFilterError(f"regions_on_failure={policy}: expected rollback or hold")
    worse = problem or any(one["failed_bake"] or (one["verdict"] == BACK and one["gap_ms"] is not None) for one in told)
    if policy == "hold" or not worse:
        return []
    return [one for one in reversed(told) if one["verdict"] == DONE or one["failed_bake"]]


def region_verdict(decision: dict, told: list, problem: str, returned: list) -> dict:
    """How the run ended: {ok, say}. returned: {region, problem} of each region that went back."""
    bad = next((f"{one['region']}: {one['why']}" for one in told if one["verdict"] != DONE), "") or problem
    there = decision["done"] + [one["region"] for one in told if one["verdict"] == DONE]
    if not bad:
        left = [name for name in decision["todo"] if name not in there]
        return {"ok": not left, "say": f"{', '.join(there) or 'no region'} on the release" + (f"; left: {', '.join(left)}" if left else "")}
    back = [one["region"] for one in returned if not one["problem"]]
    stuck = [f"{one['region']} ({one['problem']})" for one in returned if one["problem"]]
    stays = [name for name in there if name not in {one["region"] for one in returned}]
    parts = [bad, f"went back: {', '.join(back)}" if back else "", f"DID NOT GO BACK: {'; '.join(stuck)}" if stuck else "",
             f"stays on the release: {', '.join(stays)}" if stays else "", "run it again to go on where the rows stand"]
    return {"ok": False, "say": "; ".join(filter(None, parts))}


def _counted(versions: dict) -> list:
    found = list(versions.values())
    return [(version, found.count(version)) for version in sorted(set(found))]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"region_matrix": region_matrix, "region_rows": region_rows, "region_decision": region_decision,
                "region_result": region_result, "region_budget": region_budget, "region_returns": region_returns,
                "region_verdict": region_verdict}
