# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module refuses a set of metrics that could not decide anything."""

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import ConditionWrong
from ansible_collections.hft.ops.plugins.modules.metric_analysis import _METRIC, wanted

_DEFAULTS = {name: option.get("default") for name, option in _METRIC.items()}


def _metric(**more: object) -> dict:
    return {**_DEFAULTS, "name": "m", "query": "up", "success_condition": "result == 1", **more}


def test_a_metric_without_interval_is_measured_once() -> None:
    assert [(one.count, one.interval_s) for one in wanted([_metric()], 0)] == [(1, 0)]


def test_refusals() -> None:
    for metrics, why in (([], "nothing would decide"), ([_metric(dry_run=True)], "nothing would decide, every one is dry_run"),
                         ([_metric(interval_s=5)], "metric m: no end; give it a count, or the run a duration_s")):
        with pytest.raises(ConditionWrong, match=why):
            wanted(metrics, 0)


def test_a_run_with_an_end_needs_no_count() -> None:
    assert wanted([_metric(interval_s=5)], 60)[0].count == 0
