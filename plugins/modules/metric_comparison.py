#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_comparison
short_description: Metrics of Prometheus after a change held against those before
version_added: 0.1.0
description:
  - Measures every metric in two windows, each cut into slices, and compares the medians. A difference counts when it is larger than the
    limits of the metric and larger than what it varied by in the window before (the distance of its quartiles).
  - What was measured in less than half of the slices is V(no data), never the same. Changes nothing and fails for wrong input alone.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.attributes, hft.ops.prometheus]
options:
  before:
    description: The window before.
    type: dict
    required: true
    suboptions:
      engine:
        description: What C($engine) in a query stands for.
        type: str
        required: true
      begin:
        description: Its first moment, ISO 8601 with zone or C(Z).
        type: str
        required: true
      end:
        description: Its last moment.
        type: str
        required: true
  after:
    description: The window after.
    type: dict
    required: true
    suboptions:
      engine:
        description: As of O(before).
        type: str
        required: true
      begin:
        description: As of O(before).
        type: str
        required: true
      end:
        description: As of O(before).
        type: str
        required: true
  metrics:
    description: What is compared.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name in the table.
        type: str
        required: true
      query:
        description:
          - PromQL that gives one sample. C($range) stands for the slice, with its place in time, after a selector
            (C(rate(orders_total{instance=~"$engine:.*"}$range))); C($seconds) for its length, C($engine) for the engine.
        type: str
        required: true
      unit:
        description: Unit, for people.
        type: str
        default: ""
      better:
        description: Which way is better.
        type: str
        choices: [lower, higher]
        default: lower
      limit:
        description: A smaller difference is none, in the unit of the metric.
        type: float
        default: 0
      limit_pct:
        description: A smaller difference is none, in percent of the value before.
        type: float
        default: 10
  slices:
    description: Slices of each window, 4 to 100.
    type: int
    default: 8
"""

EXAMPLES = r"""
- name: The hour after against the hour before
  hft.ops.metric_comparison:
    url: http://hft-mon-01:9090
    before: {engine: hft-prod-01, begin: "2026-01-31T21:00:00Z", end: "2026-01-31T22:00:00Z"}
    after: {engine: hft-prod-02, begin: "2026-01-31T22:05:00Z", end: "2026-01-31T23:05:00Z"}
    metrics:
      - name: tick to order p99
        query: histogram_quantile(0.99, sum by (le) (rate(tick_to_order_seconds_bucket{instance=~"$engine:.*"}$range))) * 1e6
        unit: us
"""

RETURN = r"""
verdict:
  description: The worst of all metrics, V(worse), V(no data), V(better) or V(same) in this order.
  returned: success
  type: str
rows:
  description: One a metric, with C(metric), C(unit), C(before) and C(after) (medians), C(allowed), C(verdict) and C(reason).
  returned: success
  type: list
  elements: dict
"""

import math
from datetime import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._metric_comparison import Window, compare, overall
from ansible_collections.hft.ops.plugins.module_utils._prometheus import PROMETHEUS_RULES, PROMETHEUS_SPEC, AddressWrong, prometheus

_WINDOW = {"type": "dict", "required": True, "options": {
    "engine": {"type": "str", "required": True}, "begin": {"type": "str", "required": True}, "end": {"type": "str", "required": True}}}
_METRIC = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "unit": {"type": "str", "default": ""},
    "better": {"type": "str", "choices": ["lower", "higher"], "default": "lower"},
    "limit": {"type": "float", "default": 0},
    "limit_pct": {"type": "float", "default": 10},
}


class InputWrong(ValueError):
    """One line that names what is wrong."""


def window_of(name: str, given: dict[str, Any], slices: int) -> Window:
    moments = []
    for key in ("begin", "end"):
        try:
            moment = datetime.fromisoformat(given[key].replace("Z", "+00:00"))
        except ValueError:
            raise InputWrong(f"{name}.{key}: expected a moment such as 2026-01-31T22:00:00Z, found {given[key]!r}") from None
        if moment.tzinfo is None:
            raise InputWrong(f"{name}.{key}: {given[key]} has no zone; end it with Z for UTC")
        moments.append(moment.timestamp())
    # Two scrapes in a slice at least, at the longest usual interval but one.
    if math.ceil(moments[1] - moments[0]) < slices * 5:  # one end may be in whole seconds
        raise InputWrong(f"{name}: {moments[1] - moments[0]:.0f} s are too short for {slices} slices of 5 s at least")
    return Window(given["engine"], *moments)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **PROMETHEUS_SPEC,
            "before": _WINDOW,
            "after": _WINDOW,
            "metrics": {"type": "list", "elements": "dict", "required": True, "options": _METRIC},
            "slices": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
        **PROMETHEUS_RULES,
    )
    given = module.params
    try:
        client = prometheus(given)
        if not 4 <= given["slices"] <= 100:
            raise InputWrong(f"slices {given['slices']}: expected 4 to 100")
        if not given["metrics"]:
            raise InputWrong("metrics: is empty; nothing would be compared")
        before, after = (window_of(name, given[name], given["slices"]) for name in ("before", "after"))
    except (AddressWrong, InputWrong) as wrong:
        module.fail_json(msg=str(wrong))
    rows = compare(given["metrics"], before, after, given["slices"], client.query)
    module.exit_json(changed=False, rows=rows, verdict=overall(rows))


if __name__ == "__main__":
    main()
