# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against what pg_waldump printed of a row, two by COPY, a rollback, two in a part and one beside it, an update, a delete, an upsert."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.hft.ops.plugins.module_utils._postgres_discarded import Discarded, read, told
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Parting, parting_in

_RECORDS = Path(__file__).with_name("lost_commits.txt").read_text().splitlines()
_ORDERS, _CHUNK, _LEASE = ((1663, 5, number) for number in (16384, 16396, 16389))
_NAMES = {_ORDERS: "orders", _CHUNK: "orders", _LEASE: "engine_lease"}
_FIRST, _LAST = 1795436159.905163, 1795436160.005599
_PARTING = Parting("0/14F8A00", 2)


def test_what_was_committed_is_counted_by_table_and_what_was_rolled_back_is_not() -> None:
    found = told(read(_RECORDS), _NAMES, "0/14F8A00", _FIRST - 2)
    assert found["rows"] == {"orders": 6}
    assert found["changed"] == {"engine_lease": 2, "orders": 1}
    assert (found["commits"], found["transactions"], found["later"]) == (6, 6, 0)
    assert found["seconds"] == round(_LAST - _FIRST + 2, 3)
    assert found["lost_until"] == "2026-11-23T12:16:00.005599Z"


def test_what_was_committed_after_the_promotion_is_no_part_of_the_seconds() -> None:
    found = told(read(_RECORDS), _NAMES, "0/14F8A00", _FIRST - 2, _FIRST + 0.02)
    assert (found["transactions"], found["later"], found["seconds"]) == (6, 4, 2.015)
    assert found["rows"] == {"orders": 6}


@pytest.mark.parametrize(("names", "rows", "transactions"), [
    ({**_NAMES, _CHUNK: ""}, {"orders": 1}, 3),  # what the server keeps for itself
    ({_ORDERS: "orders", _LEASE: ""}, {"orders": 1, "unknown": 5}, 4),
])
def test_what_is_no_table_of_ours_does_not_count_and_what_nobody_knows_is_told(names: dict, rows: dict, transactions: int) -> None:
    found = told(read(_RECORDS), names, kept_at=1.0)
    assert (found["rows"], found["transactions"]) == (rows, transactions)


def test_an_insert_that_met_another_one_is_taken_back() -> None:
    place = "blkref #0: rel 1663/5/16384 blk 0"
    head = "rmgr: Heap        len (rec/tot):     54/    54, tx:        750, lsn: 0/0{at}, prev 0/00000000, desc: {what}, " + place
    records = [head.format(at=1, what="INSERT off: 5, flags: 0x10"),
               head.format(at=2, what="DELETE xmax: 0, off: 5, infobits: [], flags: 0x08"),
               "rmgr: Transaction len (rec/tot): 34/34, tx: 750, lsn: 0/03, prev 0/02, desc: COMMIT 2026-11-23 12:16:00.005599 UTC"]
    assert told(read(records), _NAMES)["rows"] == {}


@pytest.mark.parametrize(("kept_at", "seconds"), [(0.0, -1.0), (_LAST + 5, 0.0)])
def test_seconds_are_told_where_they_are_known(kept_at: float, seconds: float) -> None:
    assert told(read(_RECORDS), _NAMES, kept_at=kept_at)["seconds"] == seconds
    assert told(read([]), {})["seconds"] == 0.0


@pytest.mark.parametrize(("history", "timeline", "former", "found"), [
    ("1\t0/5000148\tno recovery target specified\n", 2, 1, Parting("0/5000148", 2)),
    ("1\t0/5000148\tx\n\n2\t0/7000000\ty\n", 3, 1, Parting("0/5000148", 2)),
    ("1\t0/5000148\tx\n\n2\t0/7000000\ty\n", 3, 2, Parting("0/7000000", 3)),
    ("# a comment\n1\t0/5000148\tx\n", 4, 3, None),
])
def test_where_a_timeline_was_left_and_who_began_there(history: str, timeline: int, former: int, found: Parting | None) -> None:
    assert parting_in(history, timeline, former) == found


def _discarded(tmp_path: Path, segments: tuple[str, ...] = ("000000010000000000000001",)) -> Discarded:
    def records(_run: object, _timeline: int, start: str, *options: str) -> list[str]:
        if "--end" in options:
            return {"0/0": [], "0/1000000": [_RECORDS[3].replace("12:15:59", "12:15:58")]}[start]
        return _RECORDS

    host = SimpleNamespace(path=Path, names=lambda _path: segments)
    cluster = SimpleNamespace(host=host, data_directory=str(tmp_path / "main"), wal_directory="", wal_records=records,
                              control_data=lambda _run: {"Bytes per WAL segment": str(16 << 20)})
    return Discarded(cluster, None, "hft_db", 1, _PARTING, 0.0)


@pytest.mark.parametrize("segments", [("000000010000000000000001",), ("000000010000000000000000", "000000010000000000000001")])
def test_the_last_commit_that_both_have_is_looked_for_in_two_segments(tmp_path: Path, segments: tuple[str, ...]) -> None:
    assert _discarded(tmp_path, segments).kept_at == _FIRST - 1


@pytest.mark.parametrize(("segments", "gone"), [
    (("000000010000000000000001", "000000010000000000000002", "00000001.history"), False),
    (("000000010000000000000002",), True),
    (("000000020000000000000001",), True),
    ((), True),
])
def test_a_log_that_was_recycled_tells_nothing(tmp_path: Path, segments: tuple[str, ...], gone: bool) -> None:
    assert _discarded(tmp_path, segments).log_is_gone() is gone


def test_what_is_kept_is_read_by_zcat_and_is_never_made_less(tmp_path: Path) -> None:
    discarded = _discarded(tmp_path)
    assert "kept" not in discarded.keep()
    discarded.count()
    discarded.names, discarded.rows = dict(_NAMES), ['{"table": "orders", "row": {"price": 1.100000}}']
    statement = discarded.keep()
    path = Path(statement["kept"])
    assert path.stat().st_mode & 0o777 == 0o600
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert json.loads(lines[0]) == statement
    assert lines[1:] == discarded.rows

    again = _discarded(tmp_path)  # after a run that broke off behind the wind back
    again.log = read(_RECORDS[:4])
    assert again.keep() == statement
