# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols are told apart by build id, are found again by it, and go with their release."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._debug_symbols import beside, by_build_id, orphans, separate
from ansible_collections.hft.ops.plugins.module_utils._elf import BEGINNING, build_id
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.tests.unit.plugins.modules.elf_file import program

_PROGRAM = "/bin/true"  # a program of the distribution's own compiler, with its build id


def _id(path: str) -> str:
    return build_id(Path(path).read_bytes()[:BEGINNING]) or ""


def _run(argv: list[str]) -> None:
    subprocess.run(argv, capture_output=True, check=True)


def _separated(tmp_path: Path) -> tuple[Path, Path]:
    """A stage that was stripped, and its symbols."""
    stage, symbols = tmp_path / "stage", tmp_path / "symbols"
    (stage / "bin").mkdir(parents=True)
    shutil.copy(_PROGRAM, stage / "bin/hft_system")
    (stage / "openapi.yaml").write_text("text")
    separate(str(stage), str(symbols), _run)
    return stage, symbols


def _packed(folder: Path, symbols: Path, version: str) -> str:
    release = str(folder / f"hft_system-{version}.tar.gz")
    Path(release).write_text("release")
    pack(str(symbols), f"hft_system-{version}-dbgsym", beside(release))
    Path(f"{beside(release)}.sha256").write_text("sum")
    return release


def test_symbols_are_beside_their_release() -> None:
    assert beside("/r/hft_system-0.1.0+0a1b2c3d.tar.gz") == "/r/hft_system-0.1.0+0a1b2c3d-dbgsym.tar.gz"


def test_program_and_symbols_know_each_other(tmp_path: Path) -> None:
    stage, symbols = _separated(tmp_path)
    found = _id(_PROGRAM)
    kept = symbols / "lib/debug/.build-id" / found[:2] / f"{found[2:]}.debug"
    assert [path for path in symbols.rglob("*") if path.is_file()] == [kept]
    assert _id(str(stage / "bin/hft_system")) == found
    assert f"{kept.name}\0".encode() in (stage / "bin/hft_system").read_bytes(), "the link to the symbols"
    assert kept.stat().st_mode & 0o111 == 0
    _run([str(stage / "bin/hft_system")])


def test_program_without_build_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/hft_system").write_bytes(program(""))
    with pytest.raises(HostError, match="bin/hft_system: has no build id"):
        separate(str(tmp_path), str(tmp_path / "symbols"), _run)


def test_archive_is_found_by_build_id(tmp_path: Path) -> None:
    _stage, symbols = _separated(tmp_path)
    release = _packed(tmp_path, symbols, "1")
    (tmp_path / "hft_system-0-dbgsym.tar.gz").write_text("no archive")
    warnings: list[str] = []
    assert by_build_id(str(tmp_path), warnings.append) == {_id(_PROGRAM): beside(release)}
    assert ["hft_system-0-dbgsym.tar.gz: cannot be read" in line for line in warnings] == [True]


def test_no_directory_holds_no_symbols(tmp_path: Path) -> None:
    assert by_build_id(str(tmp_path / "none"), print) == {}


def test_symbols_go_with_their_release(tmp_path: Path) -> None:
    (tmp_path / "symbols").mkdir()
    _stays, gone = (_packed(tmp_path, tmp_path / "symbols", version) for version in ("1", "2"))
    Path(gone).unlink()
    assert orphans(str(tmp_path)) == [beside(gone), f"{beside(gone)}.sha256"]
