# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record as a trace: spans stand where the record says, below the right one, and once whatever is sent again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._otlp import nanoseconds, trace

_RECORD = json.loads((Path(__file__).resolve().parents[1] / "filter" / "deployment_record.json").read_text())
_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _spans(request: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {span["name"]: {**span, "service": resource["resource"]["attributes"][0]["value"]["stringValue"]}
            for resource in request["resourceSpans"] for span in resource["scopeSpans"][0]["spans"]}


def _value(span: dict[str, Any], key: str) -> Any:
    found = [next(iter(one["value"].values())) for one in span["attributes"] if one["key"] == key]
    return found[0] if found else None


def test_the_run_and_its_phases() -> None:
    spans = _spans(trace(_RECORD))
    run = spans["cutover 2026-11-20T22-04-11Z-cutover"]
    assert len(spans) == 1 + sum(one["took_us"] is not None for one in _RECORD["phases"])
    assert (run["status"]["code"], run.get("parentSpanId")) == (1, None)
    assert (_value(run, "hft.gap_ms"), _value(run, "hft.to.version")) == (2.72, "0.2.0+0a1b2c3d")
    assert _value(run, "hft.strategies") == {"values": [{"stringValue": "mm"}, {"stringValue": "momentum"}]}
    assert [event["name"] for event in run["events"]] == ["recorded"]
    assert int(run["endTimeUnixNano"]) - int(run["startTimeUnixNano"]) == 509_500_000_000
    gates = spans["gates"]
    assert (gates["parentSpanId"], gates["service"]) == (run["spanId"], "hft.ops")


def test_what_giver_and_taker_did_stands_below_the_phase_of_the_play_to_the_microsecond() -> None:
    spans = _spans(trace(_RECORD))
    for name, took_ns in (("freeze", 35_000), ("claim", 980_000)):
        assert (spans[name]["parentSpanId"], spans[name]["service"]) == (spans["transfer"]["spanId"], "hft_system")
        assert int(spans[name]["endTimeUnixNano"]) - int(spans[name]["startTimeUnixNano"]) == took_ns
    assert int(spans["freeze"]["startTimeUnixNano"]) == nanoseconds("2026-11-20T22:04:11Z") + 86_800_000_000


def test_a_phase_outside_of_the_play_stands_below_the_run() -> None:
    spans = _spans(trace({**_RECORD, "phases": [{"part": "giver", "phase": "drain", "at_us": 1, "took_us": 2}]}))
    assert spans["drain"]["parentSpanId"] == next(span for name, span in spans.items() if name.startswith("cutover"))["spanId"]


def test_identifiers_are_the_protocols_and_the_same_again() -> None:
    first, again, other = trace(_RECORD), trace(_RECORD), trace({**_RECORD, "id": "another"})
    assert first == again
    spans = _spans(first).values()
    assert len({span["spanId"] for span in spans}) == len(spans)
    assert all(re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) and re.fullmatch(r"[0-9a-f]{16}", span["spanId"]) for span in spans)
    assert {span["traceId"] for span in spans}.isdisjoint(span["traceId"] for span in _spans(other).values())


@pytest.mark.parametrize(("given", "trace_id"), [(_PARENT, "0af7651916cd43dd8448eb211c80319c"), ("nonsense", None), ("", None)])
def test_a_trace_around_it_is_joined(given: str, trace_id: str | None) -> None:
    run = next(iter(_spans(trace(_RECORD, given)).values()))
    assert run.get("parentSpanId") == ("b7ad6b7169203331" if trace_id else None)
    assert trace_id in (None, run["traceId"])


@pytest.mark.parametrize(("verdict", "code"), [("done", 1), ("refused", 1), ("rolled_back", 2), ("failed", 2)])
def test_status(verdict: str, code: int) -> None:
    assert next(iter(_spans(trace({**_RECORD, "verdict": verdict})).values()))["status"]["code"] == code


def test_a_record_that_knows_little() -> None:
    event = {"id": "k", "action": "killswitch", "verdict": "failed", "started_at": "2026-01-31T22:00:00Z",
             "finished_at": "2026-01-31T22:00:01Z"}
    span, = _spans(trace(event)).values()
    assert span["status"] == {"code": 2, "message": ""}
