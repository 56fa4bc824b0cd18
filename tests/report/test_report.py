# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run in a real browser: nothing is complained about, nothing is asked of the network, the pictures are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.hft.ops.plugins.filter.deployment_report import deployment_report
from chromium import Browser, fetch

_ROOT = Path(__file__).resolve().parents[2]
_RECORD = json.loads((_ROOT / "tests/unit/plugins/filter/deployment_record.json").read_text())
_SIZES = """[...document.querySelectorAll('svg.timeline')].map(svg => {
  const box = svg.getBoundingClientRect();
  const bars = [...svg.querySelectorAll('rect.bar')].map(bar => bar.getBoundingClientRect());
  return {width: box.width, height: box.height, bars: bars.length, drawn: bars.filter(bar => bar.width > 0 && bar.height > 0).length,
          inside: bars.every(bar => bar.left >= box.left && bar.right <= box.right)};
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with closing(Browser(fetch())) as one:
        yield one


def _show(browser: Browser, folder: Path, text: str) -> dict[str, Any]:
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8")
    browser.open(file.as_uri())
    asked = [event["request"]["url"] for event in browser.told("Network.requestWillBeSent")]
    console = browser.told("Runtime.consoleAPICalled") + browser.told("Log.entryAdded") + browser.told("Runtime.exceptionThrown")
    return {"others": [url for url in asked if url != file.as_uri() and not url.startswith("data:")], "console": console}


def test_the_report_opens_without_a_complaint_and_without_a_request(browser: Browser, tmp_path: Path) -> None:
    assert _show(browser, tmp_path, deployment_report(_RECORD)) == {"others": [], "console": []}
    assert browser.value("document.title") == "cutover: done"


def test_the_pictures_are_there(browser: Browser, tmp_path: Path) -> None:
    _show(browser, tmp_path, deployment_report(_RECORD))
    run, transfer = browser.value(_SIZES)
    for picture, bars in ((run, 9), (transfer, 7)):
        assert picture["width"] > 500
        assert picture["height"] > 100
        assert picture["bars"] == picture["drawn"] == bars
        assert picture["inside"]
    assert browser.value("document.querySelector('svg .band').getBoundingClientRect().width") > 0


def test_the_page_is_no_wider_than_the_window(browser: Browser, tmp_path: Path) -> None:
    _show(browser, tmp_path, deployment_report(_RECORD))
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_browser_would_tell_of_complaints_and_requests(browser: Browser, tmp_path: Path) -> None:
    """Else the tests above would say nothing."""
    seen = _show(browser, tmp_path, "<script>console.error('x')</script><img src='http://127.0.0.1:9/x.png'>")
    assert seen["others"] == ["http://127.0.0.1:9/x.png"]
    assert seen["console"]


def test_the_record_is_what_the_schema_describes() -> None:
    schema = json.loads((_ROOT / "plugins/plugin_utils/deployment_record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(_RECORD)
