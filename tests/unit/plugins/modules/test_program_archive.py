# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a release archive: by sha256, all or none, and nothing else of the archive."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules import program_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "prometheus.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("p-1.0/prometheus", b"#!/bin/sh\necho 1\n"), ("p-1.0/promtool", b"#!/bin/sh\n"), ("../../evil", b"no"),
                           ("p-1.0/LICENSE", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return path


def _wanted(archive: Path, **more: Any) -> dict[str, Any]:
    return {"source": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), "programs": ["prometheus", "promtool"],
            "directory": "/opt/hft_monitoring/prometheus-1", "timeout_s": 5, **more}


def _apply(tmp_path: Path, wanted: dict[str, Any], check: bool = False) -> Plan:
    plan = Plan(check)
    program_archive.apply(wanted, Host(tmp_path / "host"), plan)
    return plan


def test_the_programs_come_once_and_nothing_else_does(tmp_path: Path, archive: Path) -> None:
    wanted = _wanted(archive)
    assert _apply(tmp_path, wanted, check=True).changed
    target = tmp_path / "host/opt/hft_monitoring/prometheus-1"
    assert not target.exists(), "check mode writes nothing"
    assert _apply(tmp_path, wanted).changed
    assert sorted(one.name for one in target.iterdir()) == [".sha256", "prometheus", "promtool"]
    assert (target / "prometheus").stat().st_mode & 0o777 == 0o755
    assert [one.name for one in target.parent.iterdir()] == ["prometheus-1"], "no scratch is left"
    archive.unlink()
    assert not _apply(tmp_path, wanted).changed, "what is there is not read again"


def test_a_program_that_was_removed_comes_back(tmp_path: Path, archive: Path) -> None:
    _apply(tmp_path, _wanted(archive))
    (tmp_path / "host/opt/hft_monitoring/prometheus-1/promtool").unlink()
    plan = _apply(tmp_path, _wanted(archive))
    assert plan.differences[0].before.endswith(", not complete")
    assert (tmp_path / "host/opt/hft_monitoring/prometheus-1/promtool").exists()


@pytest.mark.parametrize(("more", "said"), [
    ({"sha256": "0" * 64}, "expected 0000"),
    ({"sha256": "abc"}, "expected 64 hexadecimal digits"),
    ({"programs": ["prometheus", "amtool"]}, "holds no program amtool"),
    ({"programs": ["../evil"]}, "expected the name of a file"),
    ({"programs": []}, "programs: is empty"),
    ({"source": "ftp://mirror/x"}, "expected http://"),
    ({"source": "/no/such/file"}, "cannot be read (No such file or directory)"),
    ({"source": "http://127.0.0.1:9/x.tar.gz"}, "cannot be read"),
    ({"directory": "opt"}, "expected an absolute path"),
    ({"timeout_s": 0}, "expected 1 to 600"),
])
def test_what_cannot_be_meant_is_refused_and_leaves_what_is_there(tmp_path: Path, archive: Path, more: dict, said: str) -> None:
    _apply(tmp_path, _wanted(archive, programs=["prometheus"]))
    target = tmp_path / "host/opt/hft_monitoring/prometheus-1"
    with pytest.raises(HostError, match=said.replace("(", r"\(").replace(")", r"\)")):
        _apply(tmp_path, _wanted(archive, **{"programs": ["prometheus", "promtool"], **more}))
    assert sorted(one.name for one in target.iterdir()) == [".sha256", "prometheus"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<html>not found</html>")
    with pytest.raises(HostError, match=r"is no .tar.gz that can be read"):
        _apply(tmp_path, _wanted(path))
