#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: decision_comparison
short_description: Hold what a strategy decides on paper against what the live one decides at the same ticks
version_added: 0.1.0
description:
  - Waits for O(duration_s), then reads the orders of each live strategy and the orders on paper of its shadow from the facts that engines
    write, and compares them tick by tick. The venue numbers ticks, and an order names its tick and its leg, so that two engines with the
    same feed can be held against each other one decision at a time. Changes nothing.
  - Runs on a database host, best on the primary; a standby may not have the newest facts.
  - The verdict is V(successful), V(failed) or V(inconclusive), as of M(hft.ops.metric_analysis). What was not seen is never a success.
    The task fails on every verdict but V(successful) and those in O(accept).
  - A strategy on paper has no fills, so its position stays what it was. What a live strategy decides by its position differs;
    O(price_bps) and O(min_agreement) say how much of that is expected.
  - In check mode the facts are read once, which proves access, and there is no verdict.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.deployment_tables, hft.ops.postgres_cluster]
options:
  pairs:
    description: Live strategies and their shadows.
    type: list
    elements: dict
    required: true
    suboptions:
      live:
        description: Strategy that trades.
        type: str
        required: true
      shadow:
        description: The one on paper, with the same type, market and parameters.
        type: str
        required: true
  duration_s:
    description: Seconds that are observed, 1 to 86400.
    type: float
    default: 60
  settle_s:
    description: Seconds after that until engines have written the last facts.
    type: float
    default: 2
  min_decisions:
    description: With fewer of a strategy it is inconclusive.
    type: int
    default: 50
  min_agreement:
    description: Part of the decisions of each strategy that must be the same, above 0 and at most 1.
    type: float
    default: 0.99
  price_bps:
    description: So far, in hundredths of a percent of the live price, prices may lie apart and still be the same.
    type: float
    default: 0
  listed:
    description: So many differences of each strategy are told one by one.
    type: int
    default: 20
  accept:
    description: Verdicts besides V(successful) that do not fail the task.
    type: list
    elements: str
    choices: [failed, inconclusive]
    default: []
"""

EXAMPLES = r"""
- name: Does the canary decide what the live engine decides
  hft.ops.decision_comparison:
    pairs:
      - live: mm-btc-usd
        shadow: shadow-mm-btc-usd
    duration_s: 300
    price_bps: 1
"""

RETURN = r"""
verdict:
  description: V(successful), V(failed) or V(inconclusive).
  returned: not in check mode
  type: str
reason:
  description: Why, with the figures of each strategy that it rests on.
  returned: success
  type: str
strategies:
  description: The figures of each strategy.
  returned: not in check mode
  type: list
  elements: dict
  contains:
    live:
      description: Strategy that trades.
      type: str
    shadow:
      description: The one on paper.
      type: str
    verdict:
      description: Of this strategy.
      type: str
    compared:
      description: Decisions of either over the ticks that both saw.
      type: int
    agreed:
      description: Those that both made alike.
      type: int
    kinds:
      description: Differences by kind (C(only_live), C(only_shadow), C(side), C(quantity), C(price)).
      type: dict
    differences:
      description: The first of them, each with C(tick), C(leg), C(kind), C(live) and C(shadow).
      type: list
      elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._decision_comparison import SUCCESSFUL, Decision, compare, judge, overall, paper_order
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_deployments import DEPLOYMENTS_ARGUMENTS, check_wait, reading

# Leg 255 closes positions at a person's word: no decision of the strategy.
_LIVE = ("SELECT intent_tick, intent_leg, side, price, quantity FROM public.orders"
         " WHERE strategy = %(live)s AND time >= %(since)s::timestamptz AND intent_leg <> 255")
_SHADOW = ("SELECT detail FROM public.events"
           " WHERE kind = 'paper_order' AND strategy = %(shadow)s AND time >= %(since)s::timestamptz")


def main() -> None:
    pair = {"live": {"type": "str", "required": True}, "shadow": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "pairs": {"type": "list", "elements": "dict", "required": True, "options": pair},
            "duration_s": {"type": "float", "default": 60},
            "settle_s": {"type": "float", "default": 2},
            "min_decisions": {"type": "int", "default": 50},
            "min_agreement": {"type": "float", "default": 0.99},
            "price_bps": {"type": "float", "default": 0},
            "listed": {"type": "int", "default": 20},
            "accept": {"type": "list", "elements": "str", "choices": ["failed", "inconclusive"], "default": []},
            **DEPLOYMENTS_ARGUMENTS,
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        refuse_bad_input(given)
        cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
        result = observe(cluster, given, 0 if module.check_mode else given["duration_s"])
    except (HostError, ValueError) as wrong:
        module.fail_json(msg=str(wrong))
    if module.check_mode:
        module.exit_json(changed=False, reason=f"would be observed for {given['duration_s']:g} s")
    if result["verdict"] not in [SUCCESSFUL, *given["accept"]]:
        module.fail_json(msg=f"{result['verdict']}: {result['reason']}", changed=False, **result)
    module.exit_json(changed=False, **result)


def refuse_bad_input(given: dict[str, Any]) -> None:
    """All that is wrong, at once."""
    problems = [] if given["pairs"] else ["pairs: is empty; name the strategies to compare"]
    problems += [f"pairs: {one['live']}: is its own shadow" for one in given["pairs"] if one["live"] == one["shadow"]]
    for option, least, most in (("duration_s", 1, 86400), ("settle_s", 0, 600), ("min_decisions", 1, 10_000_000), ("price_bps", 0, 10_000),
                                ("listed", 0, 1000)):
        if not least <= given[option] <= most:
            problems.append(f"{option} {given[option]:g}: expected {least} to {most}")
    if not 0 < given["min_agreement"] <= 1:
        problems.append(f"min_agreement {given['min_agreement']:g}: expected above 0 and at most 1")
    if problems:
        raise HostError("; ".join(problems))
    check_wait(given)


def observe(cluster: Any, given: dict[str, Any], duration_s: float) -> dict[str, Any]:
    """The figures of each pair over the next duration_s, and the verdict over all."""
    with reading(cluster, given) as cursor:
        since = rows(cursor, "SELECT now()::text AS since")[0]["since"]
    time.sleep(duration_s and duration_s + given["settle_s"])
    told, judged = [], []
    with reading(cluster, given) as cursor:
        for pair in given["pairs"]:
            live, shadow = decisions(cursor, pair, since)
            found = compare(live, shadow, given["price_bps"])
            verdict, reason = judge(pair["live"], found, given["min_decisions"], given["min_agreement"])
            judged.append((verdict, reason))
            told.append({**pair, "verdict": verdict, **found, "differences": found["differences"][:given["listed"]]})
    verdict, reason = overall(judged)
    return {"verdict": verdict, "reason": reason, "strategies": told}


def decisions(cursor: Any, pair: dict[str, str], since: str) -> tuple[list[Decision], list[Decision]]:
    """What the live strategy sent since then, and what its shadow would have sent."""
    live = [Decision(row["intent_tick"], row["intent_leg"], row["side"], float(row["price"]), float(row["quantity"]))
            for row in rows(cursor, _LIVE, {"live": pair["live"], "since": since})]
    shadow = [paper_order(row["detail"]) for row in rows(cursor, _SHADOW, {"shadow": pair["shadow"], "since": since})]
    return live, shadow


if __name__ == "__main__":
    main()
