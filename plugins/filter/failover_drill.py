# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that judges a drill: trading went to the warm standby and came back, each time within its limits."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.filter.engine_transfers import transfer_phases

_LIMITS = {"switch_ms": "without a right to trade", "gap_ms": "between two orders at the venue"}


def drill_verdict(decision: dict, there: dict, back: dict, watch: dict, limits: dict, since: str = "") -> dict:
    """Rows of asked, found and verdict; verdict and detail for the record; worst gap; phases of both transfers since that moment.

    decision: of transfer_decision; there, back: of transfer_outcome, back {} where it was not tried; watch: result of engine_watch;
    limits: milliseconds by switch_ms and gap_ms.
    """
    giver, taker = decision["giver"], decision["taker"]
    if there["verdict"] == "done" and not any(there["records"].values()):
        # In check mode both sides were asked and nothing moved.
        rows = [_row("there", f"{giver} could give, {taker} could take", "both could", True)]
        return {"rows": rows, "verdict": "done", "detail": f"{decision['say']}, and back", "gap_ms": None, "phases": []}
    rows = _way("there", there, giver, taker, limits)
    if there["verdict"] in ("done", "unproven"):
        wrong = (watch.get("msg") or "could not be asked") if watch.get("failed") or watch.get("unreachable") else ""
        rows.append(_row("watch", f"{taker} trades", wrong or f"{len(watch.get('looks', []))} looks, nothing wrong", not wrong))
        rows += _way("back", back, taker, giver, limits)
    failed = [row for row in rows if row["verdict"] == "fail"]
    holder = {"done": giver, "unproven": giver}.get(back.get("verdict", ""), taker if back else giver)
    problems = "; ".join(f"{row['step']}: asked {row['asked']}, found {row['found']}" for row in failed)
    doubt = "in doubt" in (there["verdict"], back.get("verdict"))
    detail = f"{problems}; {'the rows tell who holds: status.yml' if doubt else holder + ' trades'}" if failed else (
        f"{', '.join(decision['strategies'])}: to {taker} and back to {giver} within the limits")
    gaps = [one["gap_ms"] for one in (there, back) if one.get("gap_ms") is not None]
    phases = [phase for one in (there, back) if one.get("phases")
              for phase in transfer_phases(one["records"]["giver"], one["records"]["taker"], since)]
    return {"rows": rows, "verdict": "failed" if failed else "done", "detail": detail, "gap_ms": max(gaps) if gaps else None,
            "phases": phases}


def _way(name: str, outcome: dict, giver: str, taker: str, limits: dict) -> list:
    said = outcome.get("problem") or ("done" if outcome.get("verdict") == "done" else "not tried")
    rows = [_row(name, f"{giver} gives, {taker} takes", said, outcome.get("verdict") == "done")]
    for key, what in _LIMITS.items() if outcome.get("verdict") == "done" else ():
        limit, found = float(limits[key]), outcome.get(key)
        # Who sent no order before has no gap at the venue.
        rows.append(_row(name, f"at most {limit:g} ms {what}", "no order before" if found is None else f"{found:g} ms",
                         (key == "gap_ms") if found is None else found <= limit))
    return rows


def _row(step: str, asked: str, found: str, ok: bool) -> dict:
    return {"step": step, "asked": asked, "found": found, "verdict": "pass" if ok else "fail"}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"drill_verdict": drill_verdict}
