# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads: aligned columns, a word for every value."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.text_table import text_table


def test_columns_are_aligned_and_heads_are_words() -> None:
    rows = [{"host_name": "a", "ok": True}, {"host_name": "longer", "ok": False}]
    assert text_table(rows).splitlines() == ["host name  ok", "a          ok", "longer     FAILED"]


def test_named_columns_in_their_order_and_missing_values_as_dash() -> None:
    assert text_table([{"a": 1, "b": None}], ["b", "a", "c"]).splitlines() == ["b  a  c", "-  1  -"]


def test_a_value_of_many_lines_stays_on_one() -> None:
    assert text_table([{"detail": "first\n  second"}]).splitlines()[1] == "first second"


def test_no_rows_is_the_head_alone() -> None:
    assert text_table([], ["host", "ok"]) == "host  ok"


@pytest.mark.parametrize("wrong", ["text", {"a": 1}, ["text"], None])
def test_anything_but_a_list_of_dictionaries_is_refused(wrong: object) -> None:
    with pytest.raises(AnsibleFilterError, match="expected a list of dictionaries"):
        text_table(wrong)
