# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The bill of materials of a release (CycloneDX): every package that its programs load, or that was built into them.

What is loaded is what the dynamic linker resolves; what is compiled or linked in is what compiler and linker told Ninja that they read.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from ansible_collections.hft.ops.plugins.module_utils._elf import elf_files
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

BILL = "bill_of_materials.json"
Output = Callable[[list[str]], str]
_LOADED = re.compile(r"\s*(?:(\S+) => )?(/\S+) \(0x[0-9a-f]+\)")
_MISSING = re.compile(r"\s*(\S+) => not found")
_PACKAGE = "${binary:Package}\\t${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\n"
_AT_A_TIME = 500


def write(stage: str, tree: str, program: str, version: str, own: tuple[str, ...] = (), output: Output | None = None,
          release: str = "/etc/os-release") -> str:
    """Leave the bill of what was built in tree and installed in stage; the same build host gives the same bytes. Returns its path.

    own: directories whose files are no part of any package, as the source; output: runs a command and tells what it printed.
    """
    ask = output or _output
    mine = tuple(f"{folder.rstrip('/')}/" for folder in (stage, tree, *own))
    used: dict[str, set[tuple[str, str]]] = {}
    for use, name, path in (*_loaded(stage, ask), *_read(tree, ask)):
        if not path.startswith(mine):
            used.setdefault(path, set()).add((use, name))
    components = _components(used, ask, _distribution(release))
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": {"type": "application", "name": program, "version": version}},
            "components": sorted(components, key=lambda one: (one["name"], one.get("version", "")))}
    path = os.path.join(stage, BILL)
    with open(path, "w", encoding="utf-8") as out:
        out.write(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return path


def _output(argv: list[str]) -> str:
    """ldd and dpkg-query end with 1 where one of many is not known to them; what they say of the others counts."""
    try:
        done = subprocess.run(argv, env={**os.environ, "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    except FileNotFoundError as wrong:
        if argv[0] == "dpkg-query":  # another kind of distribution: each file stands for itself
            return ""
        raise HostError(f"bill of materials: {argv[0]} is not on this host; install it (role hft.ops.engine_build does)") from wrong
    if done.returncode > 1:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise HostError(f"bill of materials: {' '.join(argv[:3])} failed: {' '.join(said)}")
    return done.stdout


def _loaded(stage: str, ask: Output) -> Iterator[tuple[str, str, str]]:
    """Use, name and path of every shared library that a program or library of the release loads, directly or through another."""
    for program in elf_files(stage):
        for line in ask(["ldd", program]).splitlines():
            missing = _MISSING.match(line)
            if missing:
                raise HostError(f"bill of materials: {os.path.relpath(program, stage)} loads {missing.group(1)}, which is not on this host")
            found = _LOADED.match(line)
            if found:
                yield "shared", os.path.basename(found.group(1) or found.group(2)), found.group(2)


def _read(tree: str, ask: Output) -> Iterator[tuple[str, str, str]]:
    """Use, name and path of every header, object and archive that compiler and linker read, by Ninja's own record."""
    stale = False
    for line in ask(["ninja", "-C", tree, "-t", "deps"]).splitlines():
        if not line.startswith(" "):
            stale = line.endswith("(STALE)")
        elif not stale and line.strip().startswith("/"):
            path = os.path.normpath(line.strip())
            if path.endswith((".a", ".o")):
                yield "static", os.path.basename(path), path
            # A shared library that the linker read is loaded, or was not needed.
            elif not re.search(r"\.so(\.|$)", path):
                yield "headers", "", path


def _components(used: dict[str, set[tuple[str, str]]], ask: Output, distribution: tuple[str, str]) -> Iterator[dict]:
    """One component a package; a file that is of no package is one of its own, headers by their directory."""
    owners = _owners(used, ask)
    by_package: dict[str, set[tuple[str, str]]] = {}
    nobody: dict[str, set[tuple[str, str]]] = {}
    for path, uses in used.items():
        if path in owners:
            by_package.setdefault(owners[path], set()).update(uses)
        else:
            place = path if any(use != "headers" for use, _name in uses) else os.path.dirname(path)
            nobody.setdefault(place, set()).update(uses)
    said = _asked(ask, ["dpkg-query", "--show", f"--showformat={_PACKAGE}"], sorted(by_package))
    for line in said:
        package, name, version, architecture, source = line.split("\t")
        yield {"type": "library", "name": name, "version": version, "purl": _purl(name, version, architecture, source, distribution),
               "properties": _properties(by_package[package])}
    for path, uses in nobody.items():
        yield {"type": "file", "name": path, "properties": _properties(uses)}


def _owners(paths: Iterable[str], ask: Output) -> dict[str, str]:
    """Package by path, for the paths that belong to one; a library may be known by the path behind its links alone."""
    real = {path: os.path.realpath(path) for path in paths}
    owner = {}
    for line in _asked(ask, ["dpkg-query", "--search"], sorted({*real, *real.values()})):
        packages, _colon, path = line.partition(": ")
        if path and not packages.startswith("diversion by"):
            owner[path] = packages.split(", ")[0]
    return {path: owner.get(path) or owner[behind] for path, behind in real.items() if path in owner or behind in owner}


def _asked(ask: Output, argv: list[str], words: list[str]) -> list[str]:
    return [line for at in range(0, len(words), _AT_A_TIME) for line in ask([*argv, *words[at:at + _AT_A_TIME]]).splitlines()]


def _properties(uses: set[tuple[str, str]]) -> list[dict]:
    told = [("use", use) for use in sorted({use for use, _name in uses})]
    told += [("file", name) for name in sorted({name for _use, name in uses if name})]
    return [{"name": f"hft.ops:{key}", "value": value} for key, value in told]


def _distribution(release: str) -> tuple[str, str]:
    with open(release, encoding="utf-8") as text:
        said = dict(line.rstrip("\n").split("=", 1) for line in text if "=" in line)
    return said.get("ID", "debian").strip('"'), said.get("VERSION_ID", "").strip('"')


def _purl(name: str, version: str, architecture: str, source: str, distribution: tuple[str, str]) -> str:
    """As scanners look packages up: https://github.com/package-url/purl-spec, type deb."""
    known = {"arch": architecture, "distro": "-".join(part for part in distribution if part), "upstream": source if source != name else ""}
    more = "&".join(f"{key}={quote(value, safe='.-_~')}" for key, value in sorted(known.items()) if value)
    return f"pkg:deb/{distribution[0]}/{quote(name, safe='.-_~')}@{quote(version, safe='.-_~:')}?{more}"
