# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._postgres_log_kept import log_kept

_A, _B, _C, _D = (f"00000001000000000000000{digit}" for digit in "ABCD")


@pytest.fixture(params=["inside", "elsewhere"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """Data directory and log, inside of it or on a place of its own."""
    data = tmp_path / "main"
    log = data / "pg_wal" if request.param == "inside" else tmp_path / "wal" / "main"
    data.mkdir()
    log.mkdir(parents=True)
    for name in (_A, _B, _C, _D, "00000001.history"):
        (log / name).write_text(name)
    return data, log


def test_what_recovery_begins_with_comes_back_and_what_lies_behind_the_fork_does_not(places: tuple[Path, Path]) -> None:
    data, log = places
    with log_kept(data, log):
        assert {path.name for path in data.rglob("*")} <= {"pg_wal", _A, _B, _C, _D, "00000001.history"}, "would be wound back"
        for name in (_A, _B, _D):
            (log / name).unlink()
        (log / "00000002000000000000000C").write_text("new")
    assert sorted(path.name for path in log.iterdir()) == ["00000001.history", _A, _B, _C, "00000002000000000000000C"]
    assert (log / _B).read_text() == _B
    assert not list(data.parent.rglob("*.log_kept"))


def test_where_nothing_of_it_is_left_all_of_it_comes_back(places: tuple[Path, Path]) -> None:
    data, log = places
    with log_kept(data, log):
        for name in (_A, _B, _C, _D):
            (log / name).unlink()
    assert {_A, _B, _C, _D} <= {path.name for path in log.iterdir()}


def test_a_rewind_that_fails_leaves_nothing_beside(places: tuple[Path, Path]) -> None:
    data, log = places

    def fail() -> None:
        with log_kept(data, log):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(data.parent.rglob("*.log_kept"))
    with log_kept(data, log):
        (log / _A).unlink()
    assert (log / _A).read_text() == _A
