# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list, cpu_mask, cpu_set, mask_set


@pytest.mark.parametrize(("text", "cpus"), [
    ("", set()), ("3", {3}), ("0-3,8\n", {0, 1, 2, 3, 8}), ("8, 0-1", {0, 1, 8}), ("0-7:2/4", {0, 1, 4, 5}),
    ("2-N", {2, 3, 4, 5}), ("all", set(range(6))),
])
def test_a_list_is_a_set_of_cpus(text: str, cpus: set[int]) -> None:
    assert cpu_set(text, last=5) == cpus


@pytest.mark.parametrize(("text", "says"), [
    ("3-1", "the range is reversed; write 1-3"), ("1,,2", "an empty part"), ("a", "expected a CPU list such as 2-5,8"),
    ("0-3:5/4", "used from 1 to group"),
    ("2-N", "expected a CPU list"), ("-1", "expected a CPU list"),
])
def test_what_is_no_list_is_refused_with_the_part_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        cpu_set(text)


@pytest.mark.parametrize(("mask", "shown"), [("f", "0-3"), ("00000000,000000f0", "4-7"), ("3,00000001", "0,32-33"), ("0", "")])
def test_a_mask_is_the_same_set(mask: str, shown: str) -> None:
    assert cpu_list(mask_set(mask)) == shown
    assert mask_set(cpu_mask(mask_set(mask))) == mask_set(mask)


def test_a_mask_has_words_of_32_bits_with_the_highest_first() -> None:
    assert cpu_mask({0, 32, 33}) == "3,00000001"
    with pytest.raises(ValueError, match="words of 32 bits"):
        mask_set("3,xyz")
