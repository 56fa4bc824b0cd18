# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that judges a cutover: what was asked, what was measured, and whether trading goes back."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.plugin_utils._verdict import joined, judged


def cutover_verdict(transfer: dict, decision: dict, watch: dict, analysis: dict, back: dict | None = None) -> dict:
    """How a cutover stands: {verdict, move_back, detail, say}.

    transfer, back: of transfer_outcome, back that of the way back once it was tried; decision: of transfer_decision; watch, analysis:
    results of engine_watch and metric_analysis on the taker, empty where they were skipped. verdict is done, refused (the giver trades
    on), rolled_back or failed (look at it). detail is what was wrong, one line; say is for people.

    Only what was measured moves trading back: an engine, a network or a Prometheus that does not answer holds.
    """
    giver, taker = decision["giver"], decision["taker"]
    if transfer["verdict"] == "refused":
        return judged("refused", transfer["problem"], f"nothing was moved, {giver} trades as before" if giver else "nothing was moved")
    if transfer["verdict"] == "in doubt":
        return judged("failed", transfer["problem"], "nothing more was moved")
    measured, unmeasured = _measured(watch, analysis), _unmeasured(watch, analysis)
    if measured:
        return _way_back(measured, giver, back)
    if unmeasured:
        return judged("failed", joined(transfer["problem"], unmeasured),
                      f"nothing was measured, so nothing was moved: look at {taker}, then rollback.yml if you want it back")
    late = f" (its proof came late: {transfer['problem']})" if transfer["problem"] else ""
    return {**judged("done", "", f"{giver} is warm for rollback.yml"), "say": f"{taker} trades{late}; {giver} is warm for rollback.yml"}


def _way_back(measured: str, giver: str, back: dict | None) -> dict:
    if back is None:
        return {**judged("rolled_back", measured, f"trading goes back to {giver}"), "move_back": True}
    # Nothing to move: the giver had claimed it again already.
    if back["verdict"] in ("done", "nothing"):
        return judged("rolled_back", measured, f"trading was moved back to {giver}")
    return judged("failed", f"{measured}; the way back: {back['problem']}",
                  "killswitch.yml stops everything, rollback.yml tries again, status.yml tells who holds")


def _measured(watch: dict, analysis: dict) -> str:
    if watch.get("failed") and watch.get("measured"):
        return watch["msg"]
    return analysis["reason"] if analysis.get("verdict") == "failed" else ""


def _unmeasured(watch: dict, analysis: dict) -> str:
    for result in (watch, analysis):
        if result.get("failed") or result.get("unreachable"):
            return result.get("msg") or "the engine could not be asked"
    return ""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"cutover_verdict": cutover_verdict}
