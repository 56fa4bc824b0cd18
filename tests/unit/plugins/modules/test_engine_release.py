# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack, sha256_of, unpack
from ansible_collections.hft.ops.plugins.module_utils._engine_release import Release, current_release, plan_link, plan_retention
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.engine_release import _refuse_bad_input

_HOME = "/opt/hft_system"


def _archive(tmp_path: Path, version: str, **files: str) -> tuple[str, str]:
    """A release archive with bin/hft_system and the files given; returns its path and sha256."""
    tree = tmp_path / f"tree-{version}"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "hft_system").write_text("#!/bin/sh\n")
    (tree / "bin" / "hft_system").chmod(0o755)
    for name, content in files.items():
        (tree / name).write_text(content)
    path = str(tmp_path / f"{version}.tar.gz")
    pack(str(tree), f"hft_system-{version}", path)
    return path, sha256_of(path)


def _host(tmp_path: Path) -> Host:
    (tmp_path / "root/opt/hft_system/releases").mkdir(parents=True)
    return Host(tmp_path / "root")


def _release(host: Host, version: str) -> Release:
    return Release(host, _HOME, "hft_system", version)


def _installed(tmp_path: Path, host: Host, version: str, **files: str) -> tuple[str, str]:
    path, sha256 = _archive(tmp_path, version, **files)
    _release(host, version).install(path, sha256)
    return path, sha256


def test_same_files_give_the_same_archive_whatever_their_times_and_names_order(tmp_path: Path) -> None:
    for name, order in (("a", ("x", "y")), ("b", ("y", "x"))):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, (len(name + file) * 1000, 5))
    first = pack(str(tmp_path / "a"), "top", str(tmp_path / "a.tar.gz"))
    second = pack(str(tmp_path / "b"), "top", str(tmp_path / "b.tar.gz"))
    assert first == second
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    (tmp_path / "b" / "x").write_text("other")
    assert pack(str(tmp_path / "b"), "top", None) != first


def test_excluded_names_are_not_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "tree/build-debug").mkdir(parents=True)
    (tmp_path / "tree/a").write_text("a")
    before = pack(str(tmp_path / "tree"), "top", None, ["build-*"])
    (tmp_path / "tree/build-debug/object").write_text("o")
    assert pack(str(tmp_path / "tree"), "top", None, ["build-*"]) == before


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "other/file", "top/../../outside"])
def test_archive_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(HostError, match="below top/ alone"):
        unpack(str(tmp_path / "bad.tar.gz"), "top", str(tmp_path / "out"))
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("version", ["../1.0", "..", ".", "/etc", "1.0/../../etc", "1.0\n", "", "1.0 2", "-rf", "$(id)"])
def test_a_version_that_leads_elsewhere_is_refused(version: str) -> None:
    """It becomes the name of a directory below releases/."""
    with pytest.raises(HostError, match="expected letters, digits and"):
        _refuse_bad_input({"version": version, "sha256": "0" * 64, "keep": 2}, False)
    _refuse_bad_input({"version": "1.0+0a1b2c3d", "sha256": "0" * 64, "keep": 2}, False)


def test_current_is_what_the_link_names(tmp_path: Path) -> None:
    host = _host(tmp_path)
    assert current_release(host, _HOME) == ""
    (tmp_path / "root/opt/hft_system/current").symlink_to("releases/1.0+0a1b2c3d")
    assert current_release(host, _HOME) == "1.0+0a1b2c3d"


def test_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("top/passwd")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.addfile(link)
    with pytest.raises(HostError, match="regular files"):
        unpack(str(tmp_path / "bad.tar.gz"), "top", str(tmp_path / "out"))


def test_installed_release_has_no_differences(tmp_path: Path) -> None:
    host = _host(tmp_path)
    assert [one.path for one in _release(host, "1").differences("0" * 64)] == ["/opt/hft_system/releases/1"]
    _path, sha256 = _installed(tmp_path, host, "1", note="n")
    assert _release(host, "1").differences(sha256) == []


def test_wrong_sha256_installs_nothing(tmp_path: Path) -> None:
    host = _host(tmp_path)
    path, sha256 = _archive(tmp_path, "1")
    with pytest.raises(HostError, match=f"sha256 is {sha256}, expected {'0' * 64}"):
        _release(host, "1").install(path, "0" * 64)
    assert host.names(f"{_HOME}/releases") == []


def test_archive_without_the_program_installs_nothing(tmp_path: Path) -> None:
    host = _host(tmp_path)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/note").write_text("n")
    path = str(tmp_path / "a.tar.gz")
    pack(str(tmp_path / "tree"), "hft_system-1", path)
    with pytest.raises(HostError, match="no executable bin/hft_system"):
        _release(host, "1").install(path, sha256_of(path))
    assert host.names(f"{_HOME}/releases") == []


def test_release_of_another_archive_is_refused(tmp_path: Path) -> None:
    host = _host(tmp_path)
    _path, sha256 = _installed(tmp_path, host, "1")
    with pytest.raises(HostError, match=f"installed from the archive with sha256 {sha256}, wanted is sha256 {'0' * 64}"):
        _release(host, "1").differences("0" * 64)


def test_hand_edits_are_named_and_mended(tmp_path: Path) -> None:
    host = _host(tmp_path)
    path, sha256 = _installed(tmp_path, host, "1", changed="c", removed="r", kept="k")
    release = tmp_path / "root/opt/hft_system/releases/1"
    kept = (release / "kept").stat().st_ino
    (release / "changed").write_text("edited")
    (release / "removed").unlink()
    (release / "added").write_text("a")
    (release / "bin/hft_system").chmod(0o644)
    found = {one.path.rpartition("/1/")[2]: one for one in _release(host, "1").differences(sha256)}
    assert set(found) == {"changed", "removed", "added", "bin/hft_system"}
    assert found["added"].after is None
    assert found["removed"].before is None
    assert found["bin/hft_system"].before == "not executable"
    _release(host, "1").install(path, sha256)
    assert _release(host, "1").differences(sha256) == []
    assert (release / "kept").stat().st_ino == kept, "a file that was right must not be replaced under a running program"


def test_link_is_switched_and_put_back(tmp_path: Path) -> None:
    host = _host(tmp_path)
    plan = Plan(check_mode=False)
    assert plan_link(plan, host, f"{_HOME}/current", "releases/1")
    plan.run()
    link = tmp_path / "root/opt/hft_system/current"
    assert str(link.readlink()) == "releases/1"
    assert not plan_link(Plan(check_mode=False), host, f"{_HOME}/current", "releases/1")

    def sick() -> None:
        raise HostError("sick")

    plan = Plan(check_mode=False)
    plan_link(plan, host, f"{_HOME}/current", "releases/2")
    with pytest.raises(HostError, match="sick"):
        plan.run(verify=sick)
    assert str(link.readlink()) == "releases/1"


def test_directory_in_the_place_of_a_link_is_refused(tmp_path: Path) -> None:
    host = _host(tmp_path)
    (tmp_path / "root/opt/hft_system/bin").mkdir()
    with pytest.raises(HostError, match="expected a link"):
        plan_link(Plan(check_mode=False), host, f"{_HOME}/bin", "current/bin")


def test_retention_spares_the_wanted_the_current_and_the_running(tmp_path: Path) -> None:
    host = _host(tmp_path)
    root = tmp_path / "root"
    for age, version in enumerate(["new", "newer", "running", "before", "old", "wanted"]):
        folder = root / f"opt/hft_system/releases/{version}"
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    (root / "opt/hft_system/current").symlink_to("releases/before")
    (root / "proc/77").mkdir(parents=True)
    (root / "proc/77/exe").symlink_to("/opt/hft_system/releases/running/bin/hft_system")
    plan = Plan(check_mode=False)
    plan_retention(plan, host, _HOME, "hft_system", 4, "wanted")
    plan.run()
    assert [one.path.rpartition("/")[2] for one in plan.differences] == ["newer", "old"]
    assert host.names(f"{_HOME}/releases") == ["before", "new", "running", "wanted"]


@pytest.mark.parametrize(("state", "sha256", "check_mode", "refused"), [
    ("installed", "", False, True), ("installed", "", True, False), ("current", "", False, False), ("current", "abc", False, True),
])
def test_only_what_unpacks_needs_the_sha256(state: str, sha256: str, check_mode: bool, refused: bool) -> None:
    wanted = {"state": state, "version": "1", "sha256": sha256, "keep": 3}
    with pytest.raises(HostError, match="expected 64 digits") if refused else contextlib.nullcontext():
        _refuse_bad_input(wanted, check_mode)
