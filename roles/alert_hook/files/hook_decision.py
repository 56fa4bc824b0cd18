# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""What becomes of a notification of Alertmanager. Each alert counts once, by its fingerprint and its start."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import hook_engine
from hook_ledger import Ledger
from hook_settings import Match, Rule, Settings

_MOST_ALERTS = 1000
_LONGEST_REASON = 200  # of the engine's API
_ALL = "*"


class NotificationWrong(ValueError):
    """It is none of Alertmanager's."""


@dataclass(frozen=True)
class Alert:
    firing: bool
    fingerprint: str
    starts_at: str
    age_s: float
    labels: dict[str, str]

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "?")

    @property
    def engine(self) -> str:
        """The label engine, or the host of the label instance."""
        return self.labels.get("engine") or self.labels.get("instance", "").rpartition(":")[0] or self.labels.get("instance", "")


def alerts_of(document: Any) -> list[Alert]:
    """All of them, or none: a notification that is partly wrong is refused as a whole."""
    alerts = document.get("alerts") if isinstance(document, dict) else None
    if not isinstance(alerts, list) or len(alerts) > _MOST_ALERTS:
        raise NotificationWrong(f"expected an object with a list alerts of at most {_MOST_ALERTS}, as Alertmanager's webhook sends it")
    return [_alert(number, one) for number, one in enumerate(alerts)]


def _alert(number: int, one: Any) -> Alert:
    try:
        labels, status, fingerprint, starts_at = one["labels"], one["status"], one["fingerprint"], one["startsAt"]
        age = age_s(starts_at)
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise NotificationWrong(f"alerts[{number}]: expected labels, status, fingerprint and startsAt with a zone: {wrong!r}") from None
    if (status not in ("firing", "resolved") or not isinstance(fingerprint, str) or not fingerprint or not isinstance(labels, dict)
            or not all(isinstance(value, str) for value in labels.values())):
        raise NotificationWrong(f"alerts[{number}]: expected status firing or resolved, a fingerprint, and labels that are text")
    return Alert(status == "firing", fingerprint, starts_at, age, labels)


def age_s(began: str) -> float:
    """Seconds since then. Alertmanager writes nanoseconds, which datetime does not read everywhere."""
    seconds, _dot, rest = began.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    moment = datetime.fromisoformat((seconds + zone).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{began}: no zone")
    return (datetime.now(timezone.utc) - moment).total_seconds()


def told(event: str, **more: Any) -> None:
    """One line for the journal."""
    print(json.dumps({"event": event, **more}), file=sys.stdout, flush=True)


class Decisions:
    """latch: how an engine is stopped."""

    def __init__(self, settings: Settings, ledger: Ledger, latch: Callable[[Any, str], str] = hook_engine.latch) -> None:
        self.settings, self.ledger, self.latch = settings, ledger, latch
        self.lock = threading.Lock()
        self._killing = threading.Lock()

    def take(self, alerts: list[Alert]) -> dict[str, int]:
        """Decide on every alert; how many had which outcome."""
        outcomes: dict[str, int] = {}
        for alert in alerts:
            with self.lock, self.ledger.whole():
                outcome = self._one(alert)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            told("alert", alertname=alert.name, engine=alert.engine, fingerprint=alert.fingerprint, starts_at=alert.starts_at,
                 outcome=outcome, dry_run=self.settings.dry_run)
        return outcomes

    def _one(self, alert: Alert) -> str:
        if not alert.firing:
            return "resolved"  # nothing here undoes anything
        if self.ledger.known(alert.fingerprint, alert.starts_at):
            return "repeated"
        if alert.age_s > self.settings.alert_age_s:
            outcome = "stale"
        else:
            done = [self._apply(rule, alert) for rule in self.settings.rules]
            outcome = "+".join(sorted({one for one in done if one})) or "no rule"
        self.ledger.alert(alert.fingerprint, alert.starts_at, outcome, alert.labels, self.settings.dry_run)
        return outcome

    def _apply(self, rule: Rule, alert: Alert) -> str:
        signal = next((one for one in rule.signals if _matches(one.match, alert.labels)), None)
        if signal is None:
            return ""
        engine = _ALL if rule.scope == "all" else alert.engine
        what = f"{alert.name} on {alert.engine or 'no engine'}"
        if rule.action == "rollback":
            return self._request(rule, engine, what)
        if engine != _ALL and engine not in self.settings.engines:
            return "unknown engine"
        if self.settings.dry_run:
            return "dry run signal"
        self.ledger.signal(rule.name, signal.source, engine, alert.fingerprint, what)
        both = self.ledger.take_signals(rule.name, engine, rule.within_s)
        if not both:
            return "first signal"
        reason = f"alert hook, {rule.name}: {'; '.join(both)}"[:_LONGEST_REASON]
        for name in self.settings.engines if engine == _ALL else [engine]:
            self.ledger.kill(rule.name, name, reason)
        return "kill"

    def _request(self, rule: Rule, engine: str, what: str) -> str:
        if self.settings.dry_run:
            return "dry run rollback"
        number = self.ledger.request(rule.name, engine, f"{rule.name}: {what}", self.settings.request_ttl_s)
        if number is None:
            return "rollback asked for already"
        told("request", id=number, rule=rule.name, engine=engine, reason=what)
        return "rollback requested"

    def kill(self) -> list[str]:
        """Latch what is decided and not confirmed, all engines at once; what did not confirm."""
        with self._killing:
            with self.lock:
                waiting = self.ledger.unconfirmed_kills(self.settings.kill_retry_s)
            if not waiting:
                return []
            with ThreadPoolExecutor(max_workers=min(16, len(waiting))) as pool:
                problems = list(pool.map(self._latch, waiting))
            for kill, problem in zip(waiting, problems):
                told("kill", engine=kill["engine"], rule=kill["rule"], reason=kill["reason"], confirmed=not problem, problem=problem)
                with self.lock, self.ledger.whole():
                    self.ledger.kill_tried(kill["id"], problem)
            return [problem for problem in problems if problem]

    def _latch(self, kill: dict[str, Any]) -> str:
        engine = self.settings.engines.get(kill["engine"])
        return self.latch(engine, kill["reason"]) if engine else f"{kill['engine']}: no longer among the engines"


def _matches(match: Match, labels: dict[str, str]) -> bool:
    return all(labels.get(label) in values for label, values in match.items())
