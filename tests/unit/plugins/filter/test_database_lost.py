# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.filter.database_lost import database_lost

_MOST = {"parted_at": "0/6000148", "commits": 12, "transactions": 9, "later": 2, "rows": {"fills": 4, "orders": 7},
         "changed": {"engine_lease": 5}, "seconds": 1.25, "kept_until": "", "lost_until": "",
         "kept": "/x/1-0_6000148.jsonl.gz", "kept_rows": 12}
_PART = {**_MOST, "transactions": 3, "rows": {"orders": 2}}
_NOTHING = {**_MOST, "commits": 1, "transactions": 0, "later": 0, "rows": {}, "changed": {}, "seconds": 0.0}
_TOLD = {"reason": "not detached: b", "seconds": 3.1, "orders": 20, "vacated": []}


def test_of_all_members_the_one_that_had_the_most_counts() -> None:
    found = database_lost({"b": {"discarded": _PART}, "a": {"discarded": _MOST}, "c": {}, "d": {"skipped": True}}, _TOLD)
    assert (found["host"], found["orders"], found["rows"], found["seconds"], found["later"], found["within"]) == ("a", 7, 11, 1.25, 2, True)
    assert found["say"] == ("counted at a: 1.25 s, new rows: 4 of fills, 7 of orders; 5 changes; in 9 transactions, 2 of them committed "
                            "after the move; 12 rows are kept in /x/1-0_6000148.jsonl.gz")


@pytest.mark.parametrize(("rejoined", "said", "counted"), [
    ({"a": {}}, "no member was wound back, so nothing was counted", False),
    ({"a": {"discarded": {}}, "b": {"discarded": _PART}}, "what a had alone nobody can tell: its log from there on is gone", False),
    ({"a": {"discarded": _NOTHING}}, "counted at a: nothing", True),
    ({"a": {"discarded": {**_PART, "seconds": -1.0, "later": 0}}},
     ("counted at a: nobody knows how long, new rows: 2 of orders; 5 changes; in 3 transactions; "
      "12 rows are kept in /x/1-0_6000148.jsonl.gz"), True),
])
def test_what_is_not_known_is_told_as_such(rejoined: dict, said: str, counted: bool) -> None:
    assert (database_lost(rejoined)["say"], database_lost(rejoined)["counted"]) == (said, counted)


@pytest.mark.parametrize(("seconds", "told", "within"), [
    (3.1, _TOLD, True),
    (3.101, _TOLD, False),
    (-1.0, _TOLD, False),
    (99.0, {**_TOLD, "seconds": -1.0}, True),
    (99.0, {}, True),
])
def test_what_was_told_is_held_against_what_is_counted(seconds: float, told: dict, within: bool) -> None:
    assert database_lost({"a": {"discarded": {**_MOST, "seconds": seconds}}}, told)["within"] is within
