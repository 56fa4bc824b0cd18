#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_analysis
short_description: Watch metrics of Prometheus against thresholds or a baseline, and say whether a change may stand
version_added: 0.1.0
description:
  - Asks Prometheus for all metrics, each at its own interval, and ends with one verdict and its reason. Changes nothing; runs on the
    control node (C(delegate_to=localhost)) or wherever Prometheus can be reached.
  - The counters mean what they mean in Argo Rollouts' analysis. One thing differs, because trading rests on it, what was not measured is
    never a success. No data, Prometheus away, an answer that is no number are errors; NaN is inconclusive; a run without a
    measurement is an error.
  - A metric is held against thresholds (O(metrics[].success_condition), O(metrics[].failure_condition)) or, with O(metrics[].comparison),
    against the same metric of a baseline, by the statistics of Kayenta. There is no score over all metrics; a sum in which nine good ones
    hide a bad one is not offered, each has a say of its own or is a O(metrics[].dry_run).
  - The run ends with the first metric that is not V(successful), or when every metric is. V(failed) was measured; V(inconclusive) and
    V(error) say that nobody knows. The task fails on every verdict but V(successful) and those in O(accept).
  - In check mode every metric is measured once, at once, and no verdict is a failure. That proves queries, conditions and access.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.prometheus
options:
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
        description: PromQL that gives a vector or a scalar at an instant; with O(metrics[].comparison) the one series of the canary.
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
      comparison:
        description:
          - In place of conditions. Each measurement holds the series of O(metrics[].query) over the last seconds against the baseline's
            by the test of Mann and Whitney, and fails where the canary is worse. No series is an error; too few samples, holes and infinite
            values are inconclusive.
          - Samples have to be independent. C($step) in both queries stands for O(metrics[].comparison.step_s), so that C(rate(x[$step]))
            uses nothing twice; a longer range makes false alarms (docs/canary_comparison.md has figures).
        type: dict
        suboptions:
          baseline_query:
            description:
              - The same metric of the baseline, best an old version that started when the canary did. C(offset 1d) makes it another time.
            type: str
            required: true
          window_s:
            description: Length of both series, which end when it is measured. An O(metrics[].initial_delay_s) as long lets it fill.
            type: float
            default: 600
          step_s:
            description: Distance of samples; not below the interval of scrapes. At most 1000 in a window.
            type: float
            default: 5
          direction:
            description: Which way is worse.
            type: str
            choices: [increase, decrease, either]
            default: either
          confidence:
            description: Of the interval of the shift between both.
            type: float
            default: 0.98
          tolerance:
            description: The nearer end of the interval has to be farther from 0 than this part of the estimated shift.
            type: float
            default: 0.25
          effect_size:
            description:
              - What O(metrics[].comparison.allowed_increase) and the others are limits of. V(mean_ratio) is the canary's mean by the
                baseline's, for metrics that are never below 0. V(cles) is the probability that a sample of the canary is the higher one.
            type: str
            choices: [mean_ratio, cles]
            default: mean_ratio
          allowed_increase:
            description: An increase is one from this effect size on. V(1) (C(cles) V(0.5)) when left out, so every certain one.
            type: float
          allowed_decrease:
            description: A decrease is one from this effect size down. V(1) (C(cles) V(0.5)) when left out.
            type: float
          critical_increase:
            description: A bad increase of this effect size ends the run, whatever O(metrics[].failure_limit).
            type: float
          critical_decrease:
            description: A bad decrease of this effect size ends the run.
            type: float
          critical:
            description: Any failed measurement of this metric ends the run, whatever O(metrics[].failure_limit).
            type: bool
            default: false
          min_samples:
            description: With fewer on either side it is inconclusive; as it is when less than half of the window was measured.
            type: int
            default: 50
          nan:
            description: V(replace) takes NaN for 0, V(remove) for not measured.
            type: str
            choices: [remove, replace]
            default: remove
          outliers:
            description: V(remove) leaves out what is three times the quartiles' distance off them, and beyond the 1st or 99th percentile.
            type: str
            choices: [keep, remove]
            default: keep
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

- name: Hold the canary against the old version on the same feed, three windows of ten minutes
  hft.ops.metric_analysis:
    url: https://hft-mon-01:9090
    ca: /etc/ssl/certs/site-ca.pem
    username: deployments
    password: "{{ prometheus_password }}"
    metrics:
      - name: tick to order p99
        query: histogram_quantile(0.99, sum by (le) (rate(tick_to_order_seconds_bucket{engine="hft-prod-02"}[$step])))
        initial_delay_s: 600
        interval_s: 600
        count: 3
        comparison:
          baseline_query: histogram_quantile(0.99, sum by (le) (rate(tick_to_order_seconds_bucket{engine="hft-prod-01"}[$step])))
          direction: increase
          allowed_increase: 1.05
          critical_increase: 1.5
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
    baseline_query: {description: "What it is compared with, where it is compared.", type: str}
    measurements:
      description:
        - Every one, oldest first; C(at) (UTC), C(phase), C(samples), C(reason).
        - Compared ones also have C(baseline_samples) and, once judged, C(comparison) with C(classification) (C(pass), C(high), C(low)),
          C(effect_size), C(shift) with C(shift_low) and C(shift_high), C(p_value), and samples, median and mean of both.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._metric_analysis import Analysis, Clock, Metric, metric_of
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import ConditionWrong
from ansible_collections.hft.ops.plugins.module_utils._prometheus import PROMETHEUS_RULES, PROMETHEUS_SPEC, AddressWrong, prometheus

_COMPARISON = {
    "baseline_query": {"type": "str", "required": True},
    "window_s": {"type": "float", "default": 600},
    "step_s": {"type": "float", "default": 5},
    "direction": {"type": "str", "choices": ["increase", "decrease", "either"], "default": "either"},
    "confidence": {"type": "float", "default": 0.98},
    "tolerance": {"type": "float", "default": 0.25},
    "effect_size": {"type": "str", "choices": ["mean_ratio", "cles"], "default": "mean_ratio"},
    "allowed_increase": {"type": "float"},
    "allowed_decrease": {"type": "float"},
    "critical_increase": {"type": "float"},
    "critical_decrease": {"type": "float"},
    "critical": {"type": "bool", "default": False},
    "min_samples": {"type": "int", "default": 50},
    "nan": {"type": "str", "choices": ["remove", "replace"], "default": "remove"},
    "outliers": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
}
_METRIC = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "success_condition": {"type": "str"},
    "failure_condition": {"type": "str"},
    "comparison": {"type": "dict", "options": _COMPARISON},
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
            **PROMETHEUS_SPEC,
            "metrics": {"type": "list", "elements": "dict", "required": True, "options": _METRIC},
            "duration_s": {"type": "float", "default": 0},
            "error_retry_s": {"type": "float", "default": 10},
            "accept": {"type": "list", "elements": "str", "choices": ["inconclusive", "error", "failed"], "default": []},
        },
        supports_check_mode=True,
        **PROMETHEUS_RULES,
    )
    given = module.params
    if given["error_retry_s"] <= 0:
        module.fail_json(msg=f"error_retry_s: expected seconds above 0, found {given['error_retry_s']:g}")
    asked = given["metrics"]
    if module.check_mode:
        asked = [{**one, "interval_s": 0, "count": 1, "initial_delay_s": 0, "consecutive_success_limit": 0, "consecutive_error_limit": 0}
                 for one in asked]
    try:
        wanted(given["metrics"], given["duration_s"])
        metrics = wanted(asked, 0 if module.check_mode else given["duration_s"])
        client = prometheus(given)
    except (AddressWrong, ConditionWrong) as wrong:
        module.fail_json(msg=str(wrong))
    outcome = Analysis(metrics, client, Clock(), given["error_retry_s"], given["duration_s"]).run()
    if outcome["verdict"] == "successful" or outcome["verdict"] in given["accept"] or module.check_mode:
        module.exit_json(changed=False, **outcome)
    module.fail_json(msg=f"{outcome['verdict']}: {outcome['reason']}", **outcome)


if __name__ == "__main__":
    main()
