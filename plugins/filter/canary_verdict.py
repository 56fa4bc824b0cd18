# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters that judge a canary: what is measured at a step, how the step went, and how it all ended."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.plugin_utils._verdict import judged

PASSED = "pass"
FAIL = "fail"
HOLD = "hold"


def canary_metrics(metrics: list, canary: str, baseline: str, seconds: float, looks: int, ago_s: float | None, apart_s: float = 0) -> list:
    """The metrics as metric_analysis takes them, over one step of the canary, with the words in their queries filled in.

    A metric with conditions has so many looks within seconds, each over its part of them; one with comparison has one, over all of them,
    with samples apart_s apart (0 leaves it out). $canary and $baseline are the engines, $range is the part, $ago how long the baseline's
    measure lies back.
    ago_s: None where nobody knows when the baseline traded last; then what is held against it cannot be measured and is left out.
    """
    every_s = seconds / looks
    words = {"$canary": canary, "$baseline": baseline, "$range": f"[{max(2, round(every_s))}s]",
             "$ago": f"offset {round(ago_s)}s" if ago_s else ""}
    found = []
    for one in metrics:
        compared = one.get("comparison")
        if (ago_s is None and "$baseline" in f"{one['query']} {compared}") or (compared and not apart_s):
            continue
        when = {"initial_delay_s": seconds, "count": 1} if compared else {"interval_s": every_s, "initial_delay_s": every_s, "count": looks}
        filled = {**when, **one, "query": _filled(one["query"], words)}
        if compared:
            filled["comparison"] = {"window_s": seconds, "step_s": apart_s, **compared,
                                    "baseline_query": _filled(compared["baseline_query"], words)}
        found.append(filled)
    return found


def canary_rows(told: list) -> list:
    """The steps as gates of a record."""
    words = {PASSED: "pass", FAIL: "fail", HOLD: "skipped"}
    rows = []
    for one in told:
        share, names = one["step"]["share"], ", ".join(one["step"]["names"])
        gate, asked = (f"canary {share} %", "no worse than the baseline") if share else ("canary as a shadow", "the same decisions")
        rows.append({"gate": gate, "asked": f"{names}: {asked}", "found": one["why"], "verdict": words[one["verdict"]], "reason": ""})
    return rows


def canary_step(transfer: dict, watch: dict, analysis: dict, accept: str = "") -> dict:
    """How a step went: {verdict, why}; pass goes on, fail takes everything back, hold leaves it where it is for a person.

    transfer: of transfer_outcome, empty where nothing was to move; watch, analysis: results of engine_watch and metric_analysis, empty
    where they were skipped; accept: a person's reason to go on although the analysis is not decided.
    Only what was measured takes anything back. In check mode nothing was moved, and the plan goes on.
    """
    if transfer.get("verdict") in ("refused", "in doubt"):
        return {"verdict": HOLD, "why": transfer["problem"]}
    if transfer.get("verdict") == "done" and not transfer["records"]["taker"]:
        return {"verdict": PASSED, "why": "would be moved"}
    bad = [*_bad(watch, watch.get("measured"), ""), *_bad(analysis, analysis.get("verdict") == "failed", analysis.get("reason", ""))]
    if bad:
        return {"verdict": FAIL, "why": "; ".join(bad)}
    blind = [result.get("msg") or "could not be asked" for result in (watch, analysis) if result.get("failed") or result.get("unreachable")]
    if not blind and analysis.get("verdict", "successful") != "successful":
        blind = [f"{analysis['verdict']}: {analysis['reason']}"]
        if accept:
            return {"verdict": PASSED, "why": f"{blind[0]}; let through: {accept}"}
    if blind:
        return {"verdict": HOLD, "why": "; ".join([*filter(None, [transfer.get("problem", "")]), *blind])}
    return {"verdict": PASSED, "why": analysis.get("reason") or "watched"}


def canary_verdict(decision: dict, told: list, problem: str, asked_back: str = "", back: dict | None = None, pause_s: float = 0) -> dict:
    """How the run ended: {verdict, move_back, detail, say}, as cutover_verdict tells it, and paused: it stands where it is, for a person.

    decision: of canary_decision; told: of canary_step, in order, as far as it went; problem: what stopped it before the first; asked_back:
    a person's reason to take everything back; back: of transfer_outcome of the way back, once it was tried.
    """
    giver, taker = decision["giver"], decision["taker"]
    if problem:
        then = f"{taker} keeps {', '.join(decision['held'])}" if decision["held"] else "nothing was moved"
        return judged("refused", problem, then)
    failed = asked_back or next((one["why"] for one in told if one["verdict"] == FAIL), "")
    held = next((one["why"] for one in told if one["verdict"] == HOLD), "")
    if failed and back is None:
        return {**judged("rolled_back", failed, f"everything goes back to {giver}"), "move_back": True}
    if failed and back["verdict"] in ("done", "nothing"):
        return judged("rolled_back", failed, f"everything was moved back to {giver}")
    if failed:
        return judged("failed", f"{failed}; the way back: {back['problem']}",
                      f"{taker} keeps what it has; killswitch.yml stops everything, status.yml tells who holds")
    if held:
        return judged("paused", held,
                      f"nothing more is moved, {taker} keeps what it has. Within {pause_s:g} s, in which nobody else deploys: the same "
                      "command looks again and goes on, canary_accept=WHY goes on as it is, canary_back=WHY takes everything back")
    share = told[-1]["step"]["share"] if told else 0
    return {**judged("done", "", ""), "say": f"{taker} holds {share} % of the strategies; {giver or 'the former engine'} is warm"}


def _bad(result: dict, measured: object, said: str) -> list:
    return [said or result.get("msg", "failed")] if measured else []


def _filled(query: str, words: dict) -> str:
    for word, meaning in words.items():
        query = query.replace(word, meaning)
    return query


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"canary_metrics": canary_metrics, "canary_rows": canary_rows, "canary_step": canary_step,
                "canary_verdict": canary_verdict}
