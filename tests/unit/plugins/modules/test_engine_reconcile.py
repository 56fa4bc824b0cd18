# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.engine_reconcile import difference, to_compare

_STATUS = {
    "engine": "blue", "holder": "blue/1",
    "strategies": [{"id": "mm", "holder": "blue/1"}, {"id": "mo", "holder": "green/2"}, {"id": "free", "holder": None}],
}


def test_an_engine_compares_what_it_holds() -> None:
    assert to_compare(_STATUS, []) == ["mm"]
    assert to_compare({**_STATUS, "holder": "blue/9"}, []) == []


def test_only_the_holder_can_ask() -> None:
    with pytest.raises(HostError, match="blue: does not hold free, mo; only the holder can ask"):
        to_compare(_STATUS, ["mm", "mo", "free"])


def test_a_difference_names_both_sides() -> None:
    said = difference({"strategy": "mm", "equal": False, "position": {"here": 1.5, "venue": 1.25}, "open_orders": {"here": 2, "venue": 3}})
    assert said.startswith("mm: position 1.5 here, 1.25 at the venue; open orders 2 here, 3 at the venue")
