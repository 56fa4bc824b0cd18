#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_build
short_description: Compile a release of the engine on this host and bring it to the control node
version_added: 0.1.0
description:
  - Packs the source on the control node, sends it as one archive, configures, compiles and installs it with CMake and Ninja in a fresh
    directory, packs the result without times and owners, and fetches it with its sha256, verified after the way.
  - The archive appears on the control node by one rename, after everything else succeeded.
  - Programs and strategy libraries in it are stripped. Their debug symbols come in an archive of their own beside it,
    C(program-version-dbgsym.tar.gz), as C(lib/debug/.build-id/ab/cdef….debug), where gdb looks with C(set debug-file-directory).
  - C(bill_of_materials.json) in it (CycloneDX) names every package of the build host that is loaded by, linked into or compiled into its
    programs, with version and package URL. It is under the sum and the signature of the archive.
  - Debug symbols whose release archive was removed go at the next build.
  - Call it only when M(hft.ops.engine_source) says that the release is not there.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  source:
    description: Directory of the source on the control node.
    type: path
    required: true
  version:
    description: Version, as M(hft.ops.engine_source) returned it.
    type: str
    required: true
  archive:
    description: Where the release archive is put on the control node; its sha256 goes beside it.
    type: path
    required: true
  build_dir:
    description: Directory on the host; a build works in it and leaves C(build.log) there.
    type: path
    default: /var/cache/hft_build
  jobs:
    description: Compilers that run at a time; 0 for as many as the host has CPUs.
    type: int
    default: 0
  cmake_options:
    description: More options for CMake's configure step.
    type: list
    elements: str
    default: []
  exclude:
    description: Shell patterns of names in the source that are left out.
    type: list
    elements: str
    default: ['.*', build, 'build-*', __pycache__]
  sign_key:
    description: Key of GnuPG on the control node that signs the archive, into a file of its name and C(.asc); empty signs nothing.
    type: str
    default: ''
  received:
    description: Where the packed source lies on the host; set by the action plugin of this module alone.
    type: path
seealso:
  - module: hft.ops.engine_source
  - module: hft.ops.engine_release
"""

EXAMPLES = r"""
- name: Release
  hft.ops.engine_build:
    source: "{{ inventory_dir }}/../../engine"
    version: "{{ wanted.version }}"
    archive: "{{ wanted.archive }}"
  when: not wanted.present
"""

RETURN = r"""
sha256:
  description: sha256 of the archive; not in check mode.
  returned: success
  type: str
debug_symbols:
  description: C(archive) is the path of the debug symbols on the control node, C(sha256) its sum; empty in check mode.
  returned: success
  type: dict
seconds:
  description: How long each step took.
  returned: success, not in check mode
  type: dict
differences:
  description: The archive that appears on the control node.
  returned: success
  type: list
  elements: dict
"""

import os
import re
import shutil
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._bill_of_materials import write as write_bill
from ansible_collections.hft.ops.plugins.module_utils._debug_symbols import beside, separate
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack, sha256_of, unpack
from ansible_collections.hft.ops.plugins.module_utils._engine_source import EXCLUDE, PROGRAM
from ansible_collections.hft.ops.plugins.module_utils._host import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "archive": {"type": "path", "required": True},
            "build_dir": {"type": "path", "default": "/var/cache/hft_build"},
            "jobs": {"type": "int", "default": 0},
            "cmake_options": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": list(EXCLUDE)},
            "sign_key": {"type": "str", "default": "", "no_log": False},
            "received": {"type": "path"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    if not module.params["received"]:
        module.fail_json(msg="received: missing; call this module as hft.ops.engine_build, so that its action plugin sends the source")
    try:
        result = build(module.params)
    except (HostError, OSError) as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=True, **result)


def build(wanted: dict) -> dict:
    """Source archive in, release archive out; a build that failed leaves its directory to look at."""
    top = f"{PROGRAM}-{wanted['version']}"
    # One path for every release, so that the compiler cache knows what did not change since the one before.
    work = os.path.join(wanted["build_dir"], PROGRAM)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    source, tree, stage, symbols = (os.path.join(work, name) for name in ("source", "tree", "stage", "symbols"))
    unpack(wanted["received"], "source", source)
    log = os.path.join(wanted["build_dir"], "build.log")
    seconds = {}
    jobs = str(wanted["jobs"] or os.cpu_count())
    steps = {
        "configure": ["cmake", "-S", source, "-B", tree, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                      # A build from nothing takes half the time when the compiler reads the headers once for several files.
                      "-DCMAKE_UNITY_BUILD=ON",
                      # A warning of a compiler that is newer than the release must not keep it from being built.
                      "-DHFT_WERROR=OFF", "-DHFT_DEBUG_SYMBOLS=ON",
                      *(["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []),
                      f"-DCMAKE_INSTALL_PREFIX={stage}", f"-DHFT_SOURCE_ID={wanted['version'].partition('+')[2]}",
                      *wanted["cmake_options"]],
        "compile": ["cmake", "--build", tree, "--parallel", jobs],
        "install": ["cmake", "--install", tree],
    }
    with open(log, "wb"):
        pass

    def run(step: str, argv: list) -> float:
        return _run(step, argv, (source, tree), log, os.path.join(wanted["build_dir"], "ccache"))

    for name, argv in steps.items():
        seconds[name] = run(name, argv)
    separate(stage, symbols, lambda argv: run("debug symbols", argv))
    write_bill(stage, tree, PROGRAM, wanted["version"], own=(source,))
    archive = os.path.join(wanted["build_dir"], f"{top}.tar.gz")
    # After its symbols were taken: what runs here is what the hosts get.
    _refuse_other_version(os.path.join(stage, "bin", PROGRAM), wanted["version"])
    pack(stage, top, archive)
    pack(symbols, f"{top}-dbgsym", beside(archive))
    shutil.rmtree(work)
    debug_symbols = {"archive": beside(archive), "sha256": sha256_of(beside(archive))}
    return {"built": archive, "sha256": sha256_of(archive), "debug_symbols": debug_symbols, "seconds": seconds}


def _run(step: str, argv: list, places: tuple, log: str, cache: str) -> float:
    begin = time.monotonic()
    # The paths and the day of the build are kept out of the binary and its symbols: the same source gives the same release.
    flags = " ".join(f"-ffile-prefix-map={place}=." for place in places)
    # The source was unpacked a moment ago: its times say nothing, its content does.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "0", "CXXFLAGS": flags, "CFLAGS": flags,
                   "CCACHE_DIR": cache, "CCACHE_MAXSIZE": "1G", "CCACHE_SLOPPINESS": "include_file_mtime,include_file_ctime"}
    with open(log, "ab") as out:
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as text:
            lines = text.read().splitlines()
        said = next((line for line in lines if re.search(r"error:|Error ", line)), lines[-1] if lines else "no output")
        raise HostError(f"engine build: {step} failed: {said.strip()}; whole output on this host: {log}")
    return round(time.monotonic() - begin, 1)


def _refuse_other_version(program: str, version: str) -> None:
    done = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0 or version not in done.stdout:
        raise HostError(f"engine build: {PROGRAM} --version answers {(done.stdout or done.stderr).strip()!r}, expected {version}; "
                        f"does CMakeLists.txt use HFT_SOURCE_ID?")


if __name__ == "__main__":
    main()
