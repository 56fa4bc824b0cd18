# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres_synchronous import SynchronousSet, lsn, parse


@pytest.mark.parametrize(("text", "needed", "names"), [
    ('ANY 1 ("hft-prod-01", "hft-prod-02")', 1, ("hft-prod-01", "hft-prod-02")),
    ("FIRST 2 (a, b, c)", 2, ("a", "b", "c")),
    ("2 (a,b)", 2, ("a", "b")),
    ("a, b", 1, ("a", "b")),
    ("", 0, ()),
])
def test_postgresqls_words_are_understood(text: str, needed: int, names: tuple) -> None:
    assert parse(text) == SynchronousSet(needed, names)


def test_a_star_names_nobody() -> None:
    with pytest.raises(HostError, match="list the standbys"):
        parse("ANY 1 (*)")


@pytest.mark.parametrize(("size", "needed"), [(size, needed) for size in range(1, 6) for needed in range(1, size + 1)])
def test_the_quorum_shares_a_member_with_every_acknowledgement_and_less_does_not(size: int, needed: int) -> None:
    names = tuple("abcde"[:size])
    one = SynchronousSet(needed, names)
    acknowledged = list(itertools.combinations(names, needed))
    for cut in itertools.combinations(names, one.quorum):
        assert one.lacking(cut) == ""
        assert all(set(cut) & set(acks) for acks in acknowledged)
    for cut in itertools.combinations(names, one.quorum - 1):
        assert one.lacking(cut)
        assert any(not set(cut) & set(acks) for acks in acknowledged)


def test_the_former_primary_is_no_standby_of_itself_and_strangers_do_not_count() -> None:
    one = parse("ANY 1 (db, p1, p2)").without("db")
    assert one.quorum == 2
    assert one.lacking(["db", "p1", "x"]).endswith("not detached: p2")
    assert one.lacking(["p1", "p2"]) == ""


def test_an_empty_set_proves_nothing() -> None:
    assert "empty" in parse("").lacking(["a"])


def test_positions_compare_as_numbers() -> None:
    assert lsn("1/0") > lsn("0/FFFFFFFF")
    assert lsn("0/3000148") == 0x3000148
