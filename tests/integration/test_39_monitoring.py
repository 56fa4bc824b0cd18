# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel's query returns data from the Prometheus that scrapes the engines, and every metric that rules and panels name is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from urllib.parse import urlencode

import panel_queries
import pytest
from conftest import eventually, sql

# One connection for all: what is asked comes as JSON, what was answered goes back as JSON.
_ASK = """
import json, sys, urllib.error, urllib.request
found = []
for path in json.load(sys.stdin):
    try:
        found.append(json.load(urllib.request.urlopen("http://127.0.0.1:9090/api/v1/" + path, timeout=30)))
    except urllib.error.HTTPError as refused:
        found.append(json.load(refused))
print(json.dumps(found))
"""


def _ask(paths: list[str]) -> list[dict]:
    command = ["docker", "exec", "-i", "hft-mon-01", "python3", "-c", _ASK]
    done = subprocess.run(command, input=json.dumps(paths), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _query(*expressions: str) -> list[dict]:
    return _ask(["query?" + urlencode({"query": expression}) for expression in expressions])


@pytest.fixture(scope="module")
def deployment(demo: dict) -> Iterator[None]:
    """Somebody deploys: what is known of a deployment in progress is there only then."""
    sql("DELETE FROM deployment_lock")
    sql("INSERT INTO deployment_lock VALUES (true, 'e2e-monitoring', 'e2e', now(), now() + interval '5 min')")
    eventually("the lock is scraped", lambda: _query("hft_deployment_lock_since_timestamp_seconds")[0]["data"]["result"])
    yield
    sql("DELETE FROM deployment_lock WHERE id = 'e2e-monitoring'")


@pytest.fixture(scope="module")
def names(deployment: None) -> set[str]:
    return set(_ask(["label/__name__/values"])[0]["data"])


def test_every_metric_of_rules_and_panels_is_scraped_or_has_its_reason(names: set[str]) -> None:
    expressions = [*panel_queries.rules(), *(expression for _, _, expression in panel_queries.panels())]
    named = set().union(*map(panel_queries.metrics, expressions))
    named = {name for name in named if not name.startswith("hft:threshold_override:")}
    reasons = panel_queries.absent()
    assert not named - names - set(reasons)
    assert not set(reasons) & names, "is there by now: take it off the list"
    assert set(reasons) <= named, "nothing names it any more"


def test_every_query_of_every_panel_returns_data(names: set[str]) -> None:
    reasons = panel_queries.absent()
    asked = [one for one in panel_queries.panels() if not panel_queries.metrics(one[2]) & set(reasons)]
    assert len(asked) > 100

    def all_answer() -> bool:
        answers = _query(*(expression for _, _, expression in asked))
        silent = [f"{board}: {panel}: {expression}: {answer.get('error', 'no data')}"
                  for (board, panel, expression), answer in zip(asked, answers) if not answer.get("data", {}).get("result")]
        assert not silent, "\n".join(silent)
        return True

    # Ratios and quantiles need a minute of orders.
    eventually("each query has data", all_answer, 90)


def test_what_has_its_reason_is_a_right_query_all_the_same(names: set[str]) -> None:
    """Of what the lab cannot have, at least the question is one that Prometheus understands."""
    answers = _query(*(expression for _, _, expression in panel_queries.panels()))
    assert not [answer["error"] for answer in answers if answer["status"] != "success"]


def test_a_metric_that_is_not_there_is_noticed() -> None:
    """The reader itself: names in, keywords, labels and functions out."""
    read = panel_queries.metrics('sum by (le) (rate(a_bucket{b="c"}[1m])) / on (x) group_left (y) (hft:z > 0) and gone unless d offset 5m')
    assert read == {"a_bucket", "hft:z", "gone", "d"}
