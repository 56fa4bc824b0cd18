# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build ids come out of the dump itself, and what cannot be read is told."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._core_dump import mapped_build_ids
from ansible_collections.hft.ops.plugins.module_utils._elf import build_id
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.core_dumps_info import describe, list_dumps
from ansible_collections.hft.ops.tests.unit.plugins.modules.elf_file import PAGE, core, program

_ENGINE, _STRATEGY = "ab" * 20, "cd" * 20
_CORE = core(
    (0x55000000, 0, "/opt/hft_system/releases/1/bin/hft_system", program(_ENGINE)),
    (0x55100000, 3, "/opt/hft_system/releases/1/bin/hft_system", bytes(PAGE)),
    (0x7F000000, 0, "/opt/hft_system/releases/1/lib/strategies/momentum.so", program(_STRATEGY)),
    (0x7F100000, 0, "/usr/share/locale/C.utf8", b"text".ljust(PAGE, b"\0")))
_LISTED = {"time": 1795392000500000, "pid": 7, "sig": 11, "exe": "/opt/hft_system/releases/1/bin/hft_system", "corefile": "present"}


@pytest.mark.parametrize(("content", "expected"), [
    (program(_ENGINE), _ENGINE), (program(""), None), (b"", None), (b"#!/bin/sh\n", None), (program(_ENGINE)[:100], None),
])
def test_build_id_of_a_file(content: bytes, expected: str | None) -> None:
    assert build_id(content) == expected


def test_build_id_in_memory_is_that_of_the_file() -> None:
    """Of this very process and its libraries: a core dump holds the same first page."""
    maps = [line.split(maxsplit=5) for line in Path("/proc/self/maps").read_text().splitlines()]
    begins = {one[5]: int(one[0].split("-")[0], 16) for one in maps if len(one) == 6 and one[2] == "00000000" and Path(one[5]).is_file()}
    on_disk = {path: build_id(Path(path).read_bytes()[:PAGE]) for path in begins}
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        assert {path: build_id(os.pread(memory.fileno(), PAGE, begin)) for path, begin in begins.items()} == on_disk
    assert any(on_disk.values())


def test_build_ids_of_what_was_mapped() -> None:
    assert dict(mapped_build_ids(io.BytesIO(_CORE))) == {
        "/opt/hft_system/releases/1/bin/hft_system": _ENGINE, "/opt/hft_system/releases/1/lib/strategies/momentum.so": _STRATEGY}


@pytest.mark.parametrize("content", [b"", b"no core dump".ljust(100), _CORE[:80]])
def test_what_is_no_core_dump_is_refused(content: bytes) -> None:
    with pytest.raises(HostError, match="core dump"):
        dict(mapped_build_ids(io.BytesIO(content)))


def _written(tmp_path: Path, content: bytes) -> list[str]:
    (tmp_path / "core").write_bytes(content)
    return ["cat", str(tmp_path / "core")]


def test_dump_is_described(tmp_path: Path) -> None:
    found = describe(_LISTED, _written(tmp_path, _CORE), 20)
    assert (found["time"], found["signal"], found["problem"]) == ("2026-11-23T00:00:00Z", 11, "")
    assert sorted(found["build_ids"].values()) == [_ENGINE, _STRATEGY]


def test_truncated_dump_tells_what_is_in_it(tmp_path: Path) -> None:
    found = describe({**_LISTED, "corefile": "truncated"}, _written(tmp_path, _CORE[:-3 * PAGE + 100]), 20)
    assert (list(found["build_ids"].values()), found["problem"]) == ([_ENGINE], "core dump: is cut off")


def test_dump_that_is_gone_is_told() -> None:
    assert "core dump is missing" in describe({**_LISTED, "corefile": "missing"}, ["false"], 20)["problem"]


def test_dump_that_does_not_come_in_time_is_told() -> None:
    assert "core dump" in describe(_LISTED, ["sleep", "60"], 0.2)["problem"]


@pytest.mark.parametrize(("script", "pids"), [
    ("echo '[{\"time\":1,\"pid\":5},{\"time\":2,\"pid\":6}]'", [6, 5]),
    ("echo 'No coredumps found.' >&2; exit 1", []),
])
def test_dumps_are_listed_newest_first(tmp_path: Path, script: str, pids: list[int]) -> None:
    program_file = tmp_path / "coredumpctl"
    program_file.write_text(f"#!/bin/sh\n{script}\n")
    program_file.chmod(0o755)
    assert [one["pid"] for one in list_dumps(str(program_file), "today", 20)] == pids
