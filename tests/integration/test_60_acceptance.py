# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of an installation as a whole: the acceptance run on the paper venue, and a version held against the one before."""

from __future__ import annotations

import json

import pytest
from conftest import sql

from lab import playbook
from lab.paths import BUILD

_RECORD = """INSERT INTO deployment_record (id, started_at, finished_at, action, verdict, record)
 SELECT id, begun, ended, 'cutover', 'done', jsonb_build_object('id', id, 'action', 'cutover', 'verdict', 'done',
  'from', jsonb_build_object('engine', 'hft-prod-01', 'version', 'old'),
  'to', jsonb_build_object('engine', 'hft-prod-01', 'version', 'new'),
  'started_at', to_char(begun AT TIME ZONE 'UTC', moment), 'finished_at', to_char(ended AT TIME ZONE 'UTC', moment))
 FROM (SELECT 'e2e-compared' AS id, now() - interval '60 s' AS begun, now() - interval '60 s' AS ended,
  'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' AS moment) AS one"""


@pytest.mark.long
def test_an_installation_is_accepted_and_trades_as_before(demo: dict) -> None:
    before = dict(sql("SELECT strategy, holder FROM engine_lease"))
    report = BUILD / "acceptance.json"
    done = playbook.run("validate", "-e", "full=true", "-e", "acceptance_s=20", "-e", f"validate_report={report}", record="e2e_accept",
                        show=False)
    lines = {line["check"]: line for line in json.loads(report.read_text())}
    assert [line for line in lines.values() if not line["ok"]] == [], done.output[-4000:]
    assert lines.keys() >= {"orders submitted", "orders cancelled", "orders filled", "fills booked", "limits enforced",
                            "strategy stops and starts", "kill switch works", "tick to order, 99th percentile", "processor", "memory",
                            "memory grown over the run", "failover", "failback"}
    assert dict(sql("SELECT strategy, holder FROM engine_lease")) == before


@pytest.mark.long
def test_a_comparison_tells_what_was_measured_and_calls_nothing_good_that_was_not(demo: dict) -> None:
    """A record made up, so that there is a before and an after; the same engine in both."""
    sql(_RECORD.replace('"', '\\"'))
    report = BUILD / "compare.json"
    done = playbook.run("compare", "-e", "compare_id=e2e-compared", "-e", "compare_window=50", "-e", "compare_fails=false",
                        "-e", f"compare_report={report}", record="e2e_compare", show=False)
    assert done.rc == 0, done.output[-4000:]
    rows = {row["metric"]: row for row in json.loads(report.read_text())["rows"]}
    assert rows["orders accepted"]["before"] > 0
    assert rows["orders accepted"]["verdict"] in ("better", "same", "worse")
    nothing = json.dumps({"compare_metrics": [{"name": "nothing", "query": "sum(rate(no_such_metric$range))"}]})
    done = playbook.run("compare", "-e", "compare_id=e2e-compared", "-e", "compare_window=50", "-e", nothing, record="e2e_compare",
                        show=False)
    assert done.rc != 0
    assert "nothing no data" in " ".join(done.output.split())
