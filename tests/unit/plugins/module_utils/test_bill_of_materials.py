# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bill names each package once, with how it is used; what ldd, Ninja and dpkg-query said was recorded on a build host."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._bill_of_materials import BILL, write
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_LDD = """\
\tlinux-vdso.so.1 (0x00007ffd1a3f2000)
\tlibpq.so.5 => /lib/x86_64-linux-gnu/libpq.so.5 (0x00007f2b4f000000)
\tlibown.so => /build/stage/lib/libown.so (0x00007f2b4ef00000)
\tlibfirm.so.2 => /opt/firm/lib/libfirm.so.2 (0x00007f2b4ee00000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2b4e000000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f2b4f4a1000)
"""
_DEPS = """\
CMakeFiles/hft_system.dir/main.cpp.o: #deps 5, deps mtime 1795382542989836756 (VALID)
    /build/source/apps/main.cpp
    ../core/types.hpp
    /usr/include/nlohmann/json.hpp
    /usr/lib/gcc/x86_64-linux-gnu/14/../../../../include/stdlib.h
    /opt/firm/include/firm/one.h
    /opt/firm/include/firm/two.h

removed.o: #deps 1, deps mtime 1795382542989836756 (STALE)
    /usr/include/gone.h

hft_system: #deps 4, deps mtime 1795405140050380960 (VALID)
    libhft_core.a
    /usr/lib/x86_64-linux-gnu/libpq.so
    /usr/lib/x86_64-linux-gnu/libmvec.so.1
    /usr/lib/x86_64-linux-gnu/libc_nonshared.a
"""
_OWNERS = {
    "/lib/x86_64-linux-gnu/libpq.so.5": "libpq5:amd64", "/lib/x86_64-linux-gnu/libc.so.6": "libc6:amd64",
    "/lib64/ld-linux-x86-64.so.2": "libc6:amd64", "/usr/include/nlohmann/json.hpp": "nlohmann-json3-dev",
    "/usr/include/stdlib.h": "libc6-dev:amd64", "/usr/lib/x86_64-linux-gnu/libc_nonshared.a": "libc6-dev:amd64",
}
_PACKAGES = {
    "libpq5:amd64": "libpq5:amd64\tlibpq5\t17.6-0+deb13u1\tamd64\tpostgresql-17",
    "libc6:amd64": "libc6:amd64\tlibc6\t2.41-12\tamd64\tglibc",
    "libc6-dev:amd64": "libc6-dev:amd64\tlibc6-dev\t2.41-12\tamd64\tglibc",
    "nlohmann-json3-dev": "nlohmann-json3-dev\tnlohmann-json3-dev\t1:3.11.3-2\tall\tnlohmann-json3-dev",
}


def _said(argv: list[str]) -> str:
    if argv[0] == "ldd":
        return _LDD
    if argv[0] == "ninja":
        return _DEPS
    if argv[1] == "--search":
        return "diversion by base-files from: /lib64/ld-linux-x86-64.so.2\n" + "".join(
            f"{_OWNERS[path]}: {path}\n" for path in argv[2:] if path in _OWNERS)
    return "".join(f"{_PACKAGES[name]}\n" for name in argv[3:])


@pytest.fixture
def bill(tmp_path: Path) -> dict:
    stage, release = tmp_path / "stage", tmp_path / "os-release"
    (stage / "bin").mkdir(parents=True)
    shutil.copy("/bin/true", stage / "bin/hft_system")
    release.write_text('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n')
    path = write(str(stage), "/build/tree", "hft_system", "0.1.0+0a1b2c3d", ("/build/source", "/build/stage"), _said, str(release))
    assert path == str(stage / BILL)
    return json.loads(Path(path).read_text())


def _facts(bill: dict, name: str) -> tuple[str, list[str], list[str]]:
    """Version, uses and files of one component."""
    found, = (one for one in bill["components"] if one["name"] == name)
    told = {key: [one["value"] for one in found["properties"] if one["name"] == f"hft.ops:{key}"] for key in ("use", "file")}
    return found.get("version", ""), told["use"], told["file"]


def test_it_says_of_what_release_it_is(bill: dict) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"] == {"component": {"type": "application", "name": "hft_system", "version": "0.1.0+0a1b2c3d"}}


@pytest.mark.parametrize(("name", "facts"), [
    ("libpq5", ("17.6-0+deb13u1", ["shared"], ["libpq.so.5"])),
    ("libc6", ("2.41-12", ["shared"], ["ld-linux-x86-64.so.2", "libc.so.6"])),
    ("libc6-dev", ("2.41-12", ["headers", "static"], ["libc_nonshared.a"])),
    ("nlohmann-json3-dev", ("1:3.11.3-2", ["headers"], [])),
    ("/opt/firm/lib/libfirm.so.2", ("", ["shared"], ["libfirm.so.2"])),
    ("/opt/firm/include/firm", ("", ["headers"], [])),
])
def test_a_package_stands_there_once_with_how_it_is_used(bill: dict, name: str, facts: tuple) -> None:
    assert _facts(bill, name) == facts


def test_what_is_the_releases_own_or_was_not_used_is_no_component(bill: dict) -> None:
    assert len(bill["components"]) == 6


def test_a_scanner_finds_a_package_by_its_url(bill: dict) -> None:
    urls = {one["name"]: one["purl"] for one in bill["components"] if "purl" in one}
    assert urls["libpq5"] == "pkg:deb/debian/libpq5@17.6-0%2Bdeb13u1?arch=amd64&distro=debian-13&upstream=postgresql-17"
    assert urls["nlohmann-json3-dev"] == "pkg:deb/debian/nlohmann-json3-dev@1:3.11.3-2?arch=all&distro=debian-13"


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    shutil.copy("/bin/true", tmp_path / "hft_system")
    with pytest.raises(HostError, match=r"hft_system loads libgone\.so\.1, which is not on this host"):
        write(str(tmp_path), "/build/tree", "hft_system", "1", output=lambda _argv: "\tlibgone.so.1 => not found\n")
