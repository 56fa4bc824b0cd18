# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a run: well formed, complete in itself, every text escaped; a record that is none is refused with the place."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.deployment_report import deployment_report
from ansible_collections.hft.ops.plugins.plugin_utils._json_schema import KEYWORDS
from ansible_collections.hft.ops.plugins.plugin_utils._report_page import gap
from ansible_collections.hft.ops.plugins.plugin_utils._report_record import schema
from ansible_collections.hft.ops.plugins.plugin_utils._report_timeline import Bar, duration, sparkline, ticks, timeline

_RECORD = json.loads((Path(__file__).parent / "deployment_record.json").read_text())
_LEAST = {key: _RECORD[key] for key in ("schema", "id", "action", "verdict", "started_at", "finished_at")}
_VOID = {"meta", "link", "br", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Reads the page and holds every element to be closed by its own end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag and all(found.get(key) == value for key, value in attributes.items())]


def _record(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(_RECORD), **changes}


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = deployment_report(_RECORD)
    page = Page(text)
    assert not [name for name, _attributes in page.elements if name in {"script", "iframe", "img", "object", "embed", "form", "base"}]
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"http://mon:9090", "", text).replace("<!DOCTYPE", ""))
    assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"].startswith("default-src 'none'")
    assert [found["href"] for found in page.all("link")] == ["data:,"]
    assert not [found for _tag, found in page.elements if any(name.startswith("on") for name in found)]


def test_what_stands_on_it() -> None:
    page = Page(deployment_report(_RECORD))
    assert page.text["h1"] == ["cutover: done"]
    assert page.text["h2"] == ["The run", "The transfer", "Gates", "Watch", "Phases", "Hosts"]
    for wanted in ("2.72 ms", "8 min 30 s", "2000.4 → 2000.1", "CHG-4711", "VP engineering, T. Desk (trading desk)", "mm, momentum"):
        assert wanted in page.text["dd"]
    cells = {"market session", "closed, opens at 2026-11-23T14:30:00Z", "overridden", "1.12 ms", "86.800345", "hft-prod-02"}
    assert cells <= set(page.text["td"])
    assert "gap 2.72 ms" in page.text["text"]
    assert len(page.all("rect", **{"class": "bar giver"})) == 3
    assert len(page.all("rect", **{"class": "bar taker"})) == 4
    assert len(page.all("rect", **{"class": "band"})) == 2
    assert len(page.all("svg", **{"class": "spark"})) == 1
    assert len(page.all("circle", **{"class": "failed"})) == 1


def test_every_text_is_escaped() -> None:
    evil = "</style></svg><script>alert(1)</script>\"' onload='x'&"

    def spoilt(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoilt(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [spoilt(one, key) for one in value]
        free = isinstance(value, str) and key not in {"verdict", "started_at", "finished_at", "part", "at"}
        return evil if free else value

    page = Page(deployment_report(spoilt(_RECORD)))
    assert not page.all("script")
    assert len(page.all("style")) == 1
    assert not [found for _tag, found in page.elements if any(name.startswith("on") for name in found)]


def test_the_least_record_has_a_page_too() -> None:
    page = Page(deployment_report({**_LEAST, "verdict": "refused"}))
    assert page.text["h1"] == ["cutover: refused"]
    assert "h2" not in page.text
    assert page.all("header", **{"class": "care"})


def test_each_verdict_has_its_words() -> None:
    for verdict in ("done", "rolled_back", "paused", "refused", "aborted", "failed"):
        assert Page(deployment_report({**_LEAST, "verdict": verdict})).text["h1"] == [f"cutover: {verdict.replace('_', ' ')}"]


_REFUSED = [
    ({"schema": 2}, "record.schema: expected 1, found 2"),
    ({"verdict": "fine"}, "record.verdict: expected one of done, rolled_back, paused, refused, aborted, failed, found 'fine'"),
    ({"id": ""}, "record.id: expected text"),
    ({"started_at": "yesterday"}, "record.started_at: expected a moment in UTC such as 2026-11-20T22:00:00Z, found 'yesterday'"),
    ({"gap": 3}, "record: unknown key gap; expected schema, id, action"),
    ({"gap_ms": "3"}, "record.gap_ms: expected number or null, found '3'"),
    ({"gap_ms": True}, "record.gap_ms: expected number or null, found True"),
    ({"gap_ms": -1}, "record.gap_ms: expected 0 or more, found -1"),
    ({"gap_ms": float("nan")}, "record.gap_ms: expected a number that is finite"),
    ({"gates": [{"gate": "g"}]}, r"record.gates\[0\]: verdict is missing"),
    ({"phases": [{"part": "venue", "phase": "p", "at_us": 1}]}, r"record.phases\[0\].part: expected one of giver, taker, play"),
    ({"strategies": "mm"}, "record.strategies: expected array, found 'mm'"),
]


def test_a_record_that_is_none_is_refused_with_the_place() -> None:
    for change, why in _REFUSED:
        with pytest.raises(AnsibleFilterError, match=f"^hft.ops.deployment_report: {why}"):
            deployment_report(_record(**change))
    with pytest.raises(AnsibleFilterError, match="record: expected object, found 'text'"):
        deployment_report("text")


def test_the_schema_uses_only_what_is_understood() -> None:
    waiting, used = [schema()], set()
    while waiting:
        one = waiting.pop()
        used |= set(one)
        waiting += list(one.get("properties", {}).values()) + ([one["items"]] if "items" in one else [])
    assert used <= KEYWORDS


def test_durations_and_ticks() -> None:
    told = {0: "0 µs", 812: "812 µs", 2310: "2.31 ms", 12.4e6: "12.4 s", 59.99e6: "60 s", 200e6: "3 min 20 s", 300e6: "5 min"}
    assert {us: duration(us) for us in told} == told
    for span in (1, 7, 980, 2720, 5e6, 59e6, 200e6, 510e6, 7200e6, 90000e6):
        assert 2 <= len(ticks(span)) <= 14


def test_the_gap_ends_with_the_taker_where_its_beginning_is_not_known() -> None:
    inner = [Bar("giver", "g", 100, 50), Bar("taker", "t", 200, 100)]
    assert gap({"gap_ms": 0.15, "gap_from_us": None}, inner).begin_us == 150
    assert gap({"gap_ms": 0.15, "gap_from_us": 120}, inner).end_us == 270
    assert gap({"gap_ms": None}, inner) is None


def test_a_moment_without_length_is_drawn_too() -> None:
    assert 'width="2.0"' in timeline("n", "t", [Bar("play", "p", 5, 0)], None)


def test_one_measurement_is_no_line() -> None:
    assert sparkline([(1.0, "successful")]) == ""
    assert "polyline" in sparkline([(1.0, "successful"), (1.0, "failed")])
