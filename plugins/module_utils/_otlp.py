# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The record of a run as a trace, in the JSON of OpenTelemetry's protocol (OTLP/HTTP).

The run is a span, each phase one below it: those of the play by themselves, those of giver and taker below the phase of the play that they
fall in. A moment without length is an event. Identifiers come from the id of the run, so that sending it again makes no second trace.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone
from typing import Any

_INTERNAL, _OK, _ERROR = 1, 1, 2
_BAD = ("failed", "rolled_back", "aborted")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def trace(event: dict[str, Any], traceparent: str = "") -> dict[str, Any]:
    """The request that brings it to a collector. traceparent (W3C): the span that it is to stand below, as one of a pipeline."""
    above = _TRACEPARENT.fullmatch(traceparent)
    trace_id, parent = above.groups() if above else (_identifier(32, event["id"]), "")
    began_ns = nanoseconds(event["started_at"])
    run = _span(trace_id, _identifier(16, event["id"], "run"), parent, f"{event['action']} {event['id']}", began_ns,
                nanoseconds(event["finished_at"]), _attributes(_of_run(event)))
    run["status"] = {"code": _ERROR if event["verdict"] in _BAD else _OK, "message": event.get("detail") or ""}
    run["events"] = [{"timeUnixNano": str(began_ns + round(1000 * one["at_us"])), "name": one["phase"],
                      "attributes": _attributes({"hft.part": one["part"]})}
                     for one in event.get("phases") or [] if one.get("took_us") is None]
    parts: dict[str, list[dict[str, Any]]] = {"play": [run], "giver": [], "taker": []}
    timed = [one for one in event.get("phases") or [] if one.get("took_us") is not None]
    for number, one in enumerate(timed):
        above_it = _play_phase(timed, one) if one["part"] != "play" else None
        parent = run["spanId"] if above_it is None else _identifier(16, event["id"], "phase", str(above_it))
        begin = began_ns + round(1000 * one["at_us"])
        parts[one["part"]].append(_span(trace_id, _identifier(16, event["id"], "phase", str(number)), parent, one["phase"], begin,
                                        begin + round(1000 * one["took_us"]), _attributes({"hft.part": one["part"]})))
    return {"resourceSpans": [
        {"resource": {"attributes": _attributes({
            "service.name": "hft.ops" if part == "play" else "hft_system", "service.instance.id": _engine(event, part),
            "deployment.environment": event.get("stage")})},
         "scopeSpans": [{"scope": {"name": "hft.ops"}, "spans": spans}]}
        for part, spans in parts.items() if spans]}


def nanoseconds(moment: str) -> int:
    """Since the epoch, of a moment in ISO 8601; a float of that size would be off by 100 ns and more."""
    return (datetime.fromisoformat(moment.replace("Z", "+00:00")) - _EPOCH) // timedelta(microseconds=1) * 1000


def _play_phase(timed: list[dict[str, Any]], one: dict[str, Any]) -> int | None:
    """Number of the shortest phase of the play in which it begins."""
    around = [number for number, other in enumerate(timed) if other["part"] == "play"
              and other["at_us"] <= one["at_us"] < other["at_us"] + other["took_us"]]
    return min(around, key=lambda number: timed[number]["took_us"], default=None)


def _of_run(event: dict[str, Any]) -> dict[str, Any]:
    sides = {f"hft.{side}.{key}": (event.get(side) or {}).get(key) for side in ("from", "to") for key in ("engine", "version", "sha256")}
    own = ("id", "action", "verdict", "who", "ticket", "reason", "region", "gap_ms", "strategies")
    return {**{f"hft.{key}": event.get(key) for key in own}, **sides}


def _engine(event: dict[str, Any], part: str) -> str | None:
    return (event.get({"giver": "from", "taker": "to"}.get(part, "")) or {}).get("engine")


def _span(trace_id: str, span_id: str, parent: str, name: str, begin_ns: int, end_ns: int, attributes: list) -> dict[str, Any]:
    return {"traceId": trace_id, "spanId": span_id, **({"parentSpanId": parent} if parent else {}), "name": name, "kind": _INTERNAL,
            "startTimeUnixNano": str(begin_ns), "endTimeUnixNano": str(end_ns), "attributes": attributes}


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """What has a value."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value not in (None, "", [])]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"doubleValue": value} if isinstance(value, (int, float)) else {"stringValue": str(value)}


def _identifier(digits: int, *parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:digits]
