#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_analysis
short_description: Watch metrics of Prometheus against thresholds, and say whether a change may stand
version_added: 0.1.0
description:
  - Asks Prometheus for all metrics, each at its own interval, and ends with one verdict and its reason. Changes nothing; runs on the
    control node (C(delegate_to=localhost)) or wherever Prometheus can be reached.
  - The counters mean what they mean in Argo Rollouts' analysis. One thing differs, because trading rests on it, what was not measured is
    never a success. No data, Prometheus away, an answer that is no number are errors; NaN is inconclusive; a run without a
    measurement is an error.
  - The run ends with the first metric that is not V(successful), or when every metric is. V(failed) was measured; V(inconclusive) and
    V(error) say that nobody knows. The task fails on every verdict but V(successful) and those in O(accept).
  - In check mode every metric is measured once, at once, and no verdict is a failure. That proves queries, conditions and access.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
options:
  url:
    description: Prometheus, as C(http://hft-mon-01:9090). Proxies of the environment are not used.
    type: str
    required: true
  metrics:
    description: What is watched. At least one must not be O(metrics[].dry_run).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name in the result.
        type: str
        required: true
      query:
        description: PromQL of an instant query that gives a vector or a scalar.
        type: str
        required: true
      success_condition:
        description:
          - Holds for a good measurement. With O(metrics[].failure_condition) too, a measurement that meets neither is inconclusive.
          - Made of C(result) (the one sample; C(result[0]), C(min(result)), C(max(result)) where there are several), numbers,
            C(+ - * /), comparisons, C(and or not), C(len(result)), C(isnan(x)), C(isinf(x)), C(default(result, number)).
        type: str
      failure_condition:
        description:
          - Holds for a bad measurement. Alone, a measurement that does not meet it is good.
          - One that uses C(len), C(isnan) or C(default) is asked also where there is no data, and can make that a failure.
        type: str
      interval_s:
        description: Seconds between measurements; 0 measures once.
        type: float
        default: 0
      count:
        description: Measurements until it is decided; 0 goes on until O(duration_s). Errors do not count.
        type: int
        default: 0
      initial_delay_s:
        description: Seconds before the first measurement.
        type: float
        default: 0
      failure_limit:
        description: So many failed measurements are tolerated; V(-1) any number.
        type: int
        default: 0
      inconclusive_limit:
        description: So many inconclusive measurements are tolerated.
        type: int
        default: 0
      consecutive_error_limit:
        description: So many errors in a row are tolerated.
        type: int
        default: 4
      consecutive_success_limit:
        description:
          - Successful as soon as so many measurements in a row are; without that at O(metrics[].count) it is inconclusive. 0 is off.
        type: int
        default: 0
      dry_run:
        description: Measured and reported, without a say in the verdict.
        type: bool
        default: false
  duration_s:
    description: The run ends after so many seconds; metrics with a O(metrics[].count) not reached by then are inconclusive. 0 is no end.
    type: float
    default: 0
  error_retry_s:
    description: Seconds until the next try after an error, whatever the interval.
    type: float
    default: 10
  accept:
    description: Verdicts on which the task does not fail, for playbooks that decide by RV(verdict).
    type: list
    elements: str
    choices: [inconclusive, error, failed]
    default: []
  timeout:
    description: Seconds for one query.
    type: float
    default: 5
  username:
    description: For basic authentication, with O(password).
    type: str
  password:
    description: Its password.
    type: str
  token:
    description: Bearer token, instead of O(username).
    type: str
  ca:
    description: File with the certificates that may have signed that of an C(https) O(url); those of the system when left out.
    type: path
"""

EXAMPLES = r"""
- name: Watch the new engine for five minutes
  hft.ops.metric_analysis:
    url: http://hft-mon-01:9090
    accept: [inconclusive, error, failed]
    metrics:
      - name: orders are accepted
        query: sum(rate(trading_orders_total{engine="hft-prod-02"}[30s]))
        success_condition: result > 1000
        interval_s: 15
        count: 20
        failure_limit: 2
      - name: time from tick to order
        query: histogram_quantile(0.99, sum by (le) (rate(tick_to_order_seconds_bucket{engine="hft-prod-02"}[1m])))
        success_condition: result < 0.00005
        failure_condition: result > 0.0001 or isinf(result)
        interval_s: 15
        count: 20
        inconclusive_limit: 3
  register: watch
  delegate_to: localhost

- name: A measured failure moves trading back; not knowing holds
  ansible.builtin.debug:
    msg: "{{ watch.verdict }}: {{ watch.reason }}"
"""

RETURN = r"""
verdict:
  description: V(successful), V(inconclusive), V(error) or V(failed); the worst of the metrics that are no dry run.
  returned: always, unless the input was wrong
  type: str
  sample: failed
reason:
  description: Why, in one line.
  returned: always, unless the input was wrong
  type: str
  sample: "orders are accepted: failed 3 times, the limit is 2: not result > 1000 (measured 12)"
started_at:
  description: UTC.
  returned: always, unless the input was wrong
  type: str
finished_at:
  description: UTC.
  returned: always, unless the input was wrong
  type: str
metrics:
  description: Each metric as it was asked for, in its order.
  returned: always, unless the input was wrong
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    query: {description: What was asked., type: str}
    verdict: {description: As RV(verdict)., type: str}
    reason: {description: Why., type: str}
    dry_run: {description: Whether it has no say., type: bool}
    counts: {description: Number of measurements by phase., type: dict}
    measurements:
      description: Every one, oldest first; C(at) (UTC), C(phase), C(samples), C(reason).
      type: list
      elements: dict
"""

from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._metric_analysis import Analysis, Clock, Metric, metric_of
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import ConditionWrong
from ansible_collections.hft.ops.plugins.module_utils._prometheus import Prometheus

_METRIC = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "success_condition": {"type": "str"},
    "failure_condition": {"type": "str"},
    "interval_s": {"type": "float", "default": 0},
    "count": {"type": "int", "default": 0},
    "initial_delay_s": {"type": "float", "default": 0},
    "failure_limit": {"type": "int", "default": 0},
    "inconclusive_limit": {"type": "int", "default": 0},
    "consecutive_error_limit": {"type": "int", "default": 4},
    "consecutive_success_limit": {"type": "int", "default": 0},
    "dry_run": {"type": "bool", "default": False},
}


def wanted(given: list[dict], duration_s: float) -> list[Metric]:
    """The metrics, or ConditionWrong with what of them cannot decide anything."""
    metrics = [metric_of(one) for one in given]
    if all(one.dry_run for one in metrics):
        raise ConditionWrong("metrics: nothing would decide, every one is dry_run or there is none; take dry_run from one")
    for one in metrics:
        if not one.count and not duration_s:
            raise ConditionWrong(f"metric {one.name}: no end; give it a count, or the run a duration_s")
    return metrics


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "metrics": {"type": "list", "elements": "dict", "required": True, "options": _METRIC},
            "duration_s": {"type": "float", "default": 0},
            "error_retry_s": {"type": "float", "default": 10},
            "accept": {"type": "list", "elements": "str", "choices": ["inconclusive", "error", "failed"], "default": []},
            "timeout": {"type": "float", "default": 5},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "token": {"type": "str", "no_log": True},
            "ca": {"type": "path"},
        },
        mutually_exclusive=[("username", "token")],
        required_together=[("username", "password")],
        supports_check_mode=True,
    )
    given = module.params
    if urlsplit(given["url"]).scheme not in ("http", "https"):
        module.fail_json(msg=f"url: expected http://HOST:PORT or https://HOST:PORT, found {given['url']}")
    for key in ("timeout", "error_retry_s"):
        if given[key] <= 0:
            module.fail_json(msg=f"{key}: expected seconds above 0, found {given[key]:g}")
    asked = given["metrics"]
    if module.check_mode:
        asked = [{**one, "interval_s": 0, "count": 1, "initial_delay_s": 0, "consecutive_success_limit": 0, "consecutive_error_limit": 0}
                 for one in asked]
    try:
        wanted(given["metrics"], given["duration_s"])
        metrics = wanted(asked, 0 if module.check_mode else given["duration_s"])
    except ConditionWrong as wrong:
        module.fail_json(msg=str(wrong))
    prometheus = Prometheus(given["url"], given["timeout"], given["username"] or "", given["password"] or "", given["token"] or "",
                            given["ca"] or "")
    outcome = Analysis(metrics, prometheus.query, Clock(), given["error_retry_s"], given["duration_s"]).run()
    if outcome["verdict"] == "successful" or outcome["verdict"] in given["accept"] or module.check_mode:
        module.exit_json(changed=False, **outcome)
    module.fail_json(msg=f"{outcome['verdict']}: {outcome['reason']}", **outcome)


if __name__ == "__main__":
    main()
