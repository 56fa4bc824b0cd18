#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: program_archive
short_description: Bring programs of a release archive to a host, by their sha256
version_added: 0.1.0
description:
  - Takes named programs out of a C(.tar.gz) of a release, such as those of Prometheus and its exporters, and puts them into a directory of
    their own. Nothing else of the archive is unpacked.
  - The archive is read from a mirror or from a file on the host, and unpacked only when its sha256 is the one that is given. A directory
    that holds the programs of this sha256 is left alone, and the archive is then not read at all.
  - The programs are there all at once or not at all.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  source:
    description: Address of the archive (V(http://), V(https://)), or absolute path of a file on the host.
    type: str
    required: true
  sha256:
    description: Its sha256, 64 hexadecimal digits.
    type: str
    required: true
  programs:
    description: File names of the programs that it must hold, at any depth.
    type: list
    elements: str
    required: true
  directory:
    description: Absolute path of the directory that takes them. One directory belongs to one archive.
    type: path
    required: true
  timeout_s:
    description: Seconds after which a silent mirror is given up, 1 to 600.
    type: int
    default: 60
seealso:
  - module: hft.ops.packages
"""

EXAMPLES = r"""
- name: Prometheus and its tool, from a mirror
  hft.ops.program_archive:
    source: https://mirror.example.com/prometheus-3.5.0.linux-amd64.tar.gz
    sha256: 3f1c1b0d5c1e7f0e5d3b0a9f0d7c6b5a49382716f5e4d3c2b1a0f9e8d7c6b5a4
    programs: [prometheus, promtool]
    directory: /opt/hft_monitoring/prometheus-3f1c1b0d5c1e
"""

RETURN = r"""
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
"""

import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import sha256_of
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MARK = ".sha256"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "required": True},
            "sha256": {"type": "str", "required": True},
            "programs": {"type": "list", "elements": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "timeout_s": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("program_archive"))
    try:
        apply(module.params, Host(), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


def apply(wanted: dict[str, Any], host: Host, plan: Plan) -> None:
    """Plan the directory and, outside check mode, bring it."""
    _refuse(wanted)
    target = host.path(wanted["directory"])
    found = host.read(f"{wanted['directory']}/{_MARK}")
    complete = all(os.access(target / name, os.X_OK) for name in wanted["programs"])
    if complete and (found or "").strip() == wanted["sha256"]:
        return
    before = (found.strip() if complete else f"{found.strip()}, not complete") if found is not None else None
    plan.change(Difference("persisted", wanted["directory"], before, wanted["sha256"]), write=lambda: _bring(wanted, target))
    plan.run()


def _refuse(wanted: dict[str, Any]) -> None:
    wrong = []
    if not wanted["source"].startswith(("http://", "https://", "/")):
        wrong.append(f"source {wanted['source']}: expected http://, https:// or an absolute path")
    if not _SHA256.fullmatch(wanted["sha256"]):
        wrong.append(f"sha256 {wanted['sha256']}: expected 64 hexadecimal digits in lower case")
    wrong += [f"programs: {name}: expected the name of a file" for name in wanted["programs"] if not _PROGRAM.fullmatch(name)]
    if not wanted["programs"]:
        wrong.append("programs: is empty; name what the archive must hold")
    if not wanted["directory"].startswith("/"):
        wrong.append(f"directory {wanted['directory']}: expected an absolute path")
    if not 1 <= wanted["timeout_s"] <= 600:
        wrong.append(f"timeout_s {wanted['timeout_s']}: expected 1 to 600")
    if wrong:
        raise HostError("; ".join(wrong))


def _bring(wanted: dict[str, Any], target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".hft-") as scratch:
        archive = Path(scratch, "archive.tar.gz")
        _read(wanted["source"], archive, wanted["timeout_s"])
        found = sha256_of(str(archive))
        if found != wanted["sha256"]:
            raise HostError(f"source {wanted['source']}: sha256 is {found}, expected {wanted['sha256']}; nothing was unpacked")
        fresh = Path(scratch, "fresh")
        fresh.mkdir(mode=0o755)
        fresh.chmod(0o755)
        _unpack(wanted, archive, fresh)
        (fresh / _MARK).write_text(wanted["sha256"] + "\n", encoding="utf-8")
        old = Path(scratch, "old")
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def _read(source: str, archive: Path, timeout_s: int) -> None:
    try:
        if source.startswith("/"):
            shutil.copyfile(source, archive)
            return
        with open_url(source, timeout=timeout_s) as reply, archive.open("wb") as out:
            shutil.copyfileobj(reply, out)
    except OSError as wrong:
        raise HostError(f"source {source}: cannot be read ({getattr(wrong, 'reason', None) or wrong.strerror or wrong})") from wrong


def _unpack(wanted: dict[str, Any], archive: Path, fresh: Path) -> None:
    """Each program by its last name; no path of the archive is ever used as one."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if name in wanted["programs"] and member.isfile() and not (fresh / name).exists():
                    content = tar.extractfile(member)
                    if content is not None:
                        with (fresh / name).open("wb") as out:
                            shutil.copyfileobj(content, out)
                        (fresh / name).chmod(0o755)
    except (tarfile.TarError, EOFError, OSError) as wrong:
        raise HostError(f"source {wanted['source']}: is no .tar.gz that can be read ({wrong}); nothing was unpacked") from wrong
    missing = [name for name in wanted["programs"] if not (fresh / name).exists()]
    if missing:
        raise HostError(f"source {wanted['source']}: holds no program {', '.join(missing)}; nothing was unpacked")


if __name__ == "__main__":
    main()
