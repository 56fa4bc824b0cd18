# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""A request that a rulebook or a person decided on, by an alert and by the epochs of the lease rows that were seen. It is made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hook_decision import age_s
from hook_ledger import Ledger
from hook_settings import Settings

ACTIONS = ("rollback", "failover")
_TEXTS = {"action": 20, "rule": 100, "engine": 100, "reason": 200, "fingerprint": 100, "starts_at": 50}


class RequestWrong(ValueError):
    """It cannot be one."""


@dataclass(frozen=True)
class Asked:
    action: str
    rule: str
    engine: str
    reason: str
    fingerprint: str
    starts_at: str
    epochs: str  # by strategy, as JSON with sorted keys
    age_s: float


def asked_of(document: Any) -> Asked:
    wanted = {*_TEXTS, "epochs"}
    if not isinstance(document, dict) or set(document) != wanted:
        raise RequestWrong(f"expected an object with {', '.join(sorted(wanted))}")
    for key, longest in _TEXTS.items():
        if not isinstance(document[key], str) or not 1 <= len(document[key]) <= longest:
            raise RequestWrong(f"{key}: expected text of 1 to {longest} characters")
    if document["action"] not in ACTIONS:
        raise RequestWrong(f"action: expected one of {', '.join(ACTIONS)}, found {document['action']!r}")
    epochs = document["epochs"]
    if not isinstance(epochs, dict) or not epochs or not all(_epoch(one) for one in epochs.values()):
        raise RequestWrong("epochs: expected the epoch of each strategy, as a number")
    try:
        age = age_s(document["starts_at"])
    except ValueError:
        raise RequestWrong(f"starts_at: expected a moment with a zone, found {document['starts_at']!r}") from None
    return Asked(**{key: document[key] for key in _TEXTS}, epochs=json.dumps(epochs, sort_keys=True), age_s=age)


def _epoch(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def decide(asked: Asked, settings: Settings, ledger: Ledger) -> dict[str, Any]:
    """outcome: requested, repeated, asked for already, stale or dry run; id and open of the request; why, where it is refused.

    An alert that goes on while the epochs rise is about what was before: somebody moved trading since, and it asks for nothing any more.
    """
    earlier = ledger.request_by(asked.action, asked.fingerprint, asked.starts_at)
    if earlier and earlier["epochs"] != asked.epochs:
        return _answer("stale", earlier, f"request {earlier['id']} of this alert saw the epochs {earlier['epochs']}, "
                                         f"they are {asked.epochs} now: trading was moved since")
    if earlier:
        return _answer("repeated", earlier)
    if asked.age_s > settings.alert_age_s:
        return _answer("stale", None, f"the alert began {asked.age_s:.0f} s ago, at most {settings.alert_age_s:g}")
    if settings.dry_run:
        return _answer("dry run", None)
    other = ledger.request_for(asked.rule, asked.engine, asked.epochs)
    if other:
        return _answer("asked for already", other)
    ledger.request(asked.rule, asked.engine, asked.reason, settings.request_ttl_s, action=asked.action, fingerprint=asked.fingerprint,
                   starts_at=asked.starts_at, epochs=asked.epochs)
    return _answer("requested", ledger.request_by(asked.action, asked.fingerprint, asked.starts_at))


def _answer(outcome: str, request: dict[str, Any] | None, why: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "id": request["id"] if request else None, "open": bool(request and request["open"]), "why": why}
