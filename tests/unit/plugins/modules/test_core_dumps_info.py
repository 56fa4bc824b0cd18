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
from ansible_collections.hft.ops.plugins.module_utils._kept_core_dumps import describe, list_dumps
from ansible_collections.hft.ops.tests.unit.plugins.modules.elf_file import PAGE, core, program

_ENGINE, _STRATEGY = "ab" * 20, "cd" * 20
_CORE = core(
    (0x55000000, 0, "/opt/hft_system/releases/1/bin/hft_system", program(_ENGINE)),
    (0x55100000, 3, "/opt/hft_system/releases/1/bin/hft_system", bytes(PAGE)),
    (0x7F000000, 0, "/opt/hft_system/releases/1/lib/strategies/momentum.so", program(_STRATEGY)),
    (0x7F100000, 0, "/usr/share/locale/C.utf8", b"text".ljust(PAGE, b"\0")))
_TOLD = {"__REALTIME_TIMESTAMP": "1795392000500000", "COREDUMP_PID": "7", "COREDUMP_SIGNAL": "11",
         "COREDUMP_EXE": "/opt/hft_system/releases/1/bin/hft_system"}


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


def _told(tmp_path: Path, content: bytes, name: str = "core.hft_system.7") -> dict[str, str]:
    (tmp_path / name).write_bytes(content)
    return {**_TOLD, "COREDUMP_FILENAME": str(tmp_path / name)}


def _program(tmp_path: Path, script: str) -> str:
    (tmp_path / "program").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "program").chmod(0o755)
    return str(tmp_path / "program")


def test_dump_is_described(tmp_path: Path) -> None:
    found = describe(_told(tmp_path, _CORE), 20)
    assert (found["time"], found["pid"], found["signal"], found["problem"]) == ("2026-11-23T00:00:00Z", 7, 11, "")
    assert sorted(found["build_ids"].values()) == [_ENGINE, _STRATEGY]


def test_compressed_dump_is_read_as_it_is_decompressed(tmp_path: Path) -> None:
    """The program here takes the place of coredumpctl: it gets the file by its name, and writes what is in it."""
    told = _told(tmp_path, _CORE, "core.hft_system.7.zst")
    found = describe(told, 20, _program(tmp_path, 'test "$1" = dump && cat "${2#COREDUMP_FILENAME=}"'))
    assert (sorted(found["build_ids"].values()), found["problem"]) == ([_ENGINE, _STRATEGY], "")


def test_dump_that_does_not_come_in_time_is_told(tmp_path: Path) -> None:
    found = describe(_told(tmp_path, b"", "core.zst"), 0.2, _program(tmp_path, "exec sleep 60"))
    assert "core dump" in found["problem"]


def test_truncated_dump_tells_what_is_in_it(tmp_path: Path) -> None:
    found = describe(_told(tmp_path, _CORE[:-3 * PAGE + 100]), 20)
    assert (list(found["build_ids"].values()), found["problem"]) == ([_ENGINE], "core dump: is cut off")


@pytest.mark.parametrize(("more", "words"), [
    ({}, "no core dump was kept"), ({"COREDUMP_FILENAME": "/nowhere/core"}, "/nowhere/core: is gone")])
def test_dump_that_is_not_there_is_told(more: dict[str, str], words: str) -> None:
    assert words in describe({**_TOLD, **more}, 20)["problem"]


def test_journal_is_read_line_by_line(tmp_path: Path) -> None:
    assert list_dumps(_program(tmp_path, "echo '{\"COREDUMP_PID\":\"7\"}'; echo '{}'"), "today", 5, 20) == [{"COREDUMP_PID": "7"}, {}]
    assert list_dumps(_program(tmp_path, "exit 0"), "", 5, 20) == []
    with pytest.raises(HostError, match="Failed to parse timestamp"):
        list_dumps(_program(tmp_path, "echo 'Failed to parse timestamp: soon' >&2; exit 1"), "soon", 5, 20)
