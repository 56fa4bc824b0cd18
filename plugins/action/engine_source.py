# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names the release that a source tree gives, on the control node; see the documentation of the module of this name."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase
from ansible_collections.hft.ops.plugins.module_utils._debug_symbols import beside
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import sha256_of
from ansible_collections.hft.ops.plugins.module_utils._engine_source import EXCLUDE, PROGRAM, version
from ansible_collections.hft.ops.plugins.module_utils._host import HostError


class ActionModule(ActionBase):
    """Never contacts the host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _valid, wanted = self.validate_argument_spec({
            "source": {"type": "path", "required": True},
            "release_dir": {"type": "path", "required": True},
            "cmake_options": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": list(EXCLUDE)},
        })
        try:
            found = _find(version(os.path.abspath(wanted["source"]), wanted["cmake_options"], wanted["exclude"]), wanted["release_dir"])
        except HostError as wrong:
            return {**result, "failed": True, "msg": str(wrong)}
        return {**result, "changed": False, **found}


def _find(wanted: str, release_dir: str) -> dict:
    archive = os.path.join(os.path.abspath(release_dir), f"{PROGRAM}-{wanted}.tar.gz")
    # No proof is asked of the symbols: a deployment does not wait for them.
    found = {"version": wanted, "archive": archive, "debug_symbols": {"archive": beside(archive), "sha256": _said(beside(archive)) or ""}}
    said = _said(archive)
    if not os.path.exists(archive) or said is None:
        return {**found, "present": False, "sha256": ""}
    digest = sha256_of(archive)
    if said != digest:
        raise HostError(f"{archive}: sha256 is {digest}, the file beside it says {said or 'nothing'}; "
                        f"remove both, the next run builds it again")
    return {**found, "present": True, "sha256": digest}


def _said(archive: str) -> str | None:
    """What the file beside it says; None when there is none."""
    try:
        with open(f"{archive}.sha256", encoding="utf-8") as text:
            return (text.read().split() or [""])[0]
    except FileNotFoundError:
        return None
