# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the source to the build host, has it built there, and brings the release to the control node."""

from __future__ import annotations

import os
import shutil
import tempfile

from ansible.plugins.action import ActionBase
from ansible_collections.hft.ops.plugins.module_utils._debug_symbols import beside, orphans
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack, sha256_of
from ansible_collections.hft.ops.plugins.module_utils._engine_source import EXCLUDE, version
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.plugin_utils._signature import sign


class ActionModule(ActionBase):
    """The release appears on the control node by one rename, after everything else succeeded."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        wanted = {key: value for key, value in self._task.args.items() if key != "received"}
        archive = os.path.abspath(wanted["archive"])
        difference = {"layer": "persisted", "path": archive, "before": None, "after": f"release {wanted['version']}"}
        planned = {
            **result, "changed": True, "differences": [difference],
            "diff": [{"before_header": archive, "after_header": archive, "before": "", "after": f"{difference['after']}\n"}],
        }
        if self._task.check_mode:
            return {**planned, "sha256": "", "debug_symbols": {"archive": beside(archive), "sha256": ""}}
        scratch = tempfile.mkdtemp(prefix="hft-build-")
        try:
            built = self._build(wanted, os.path.join(scratch, "source.tar.gz"), task_vars)
            if built.get("failed"):
                return {**result, **built}
            self._bring(built, archive, wanted.get("sign_key"))
            for orphan in orphans(os.path.dirname(archive)):
                os.unlink(orphan)
        except (HostError, OSError) as wrong:
            return {**result, "failed": True, "msg": str(wrong)}
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            self._remove_tmp_path(self._connection._shell.tmpdir)
        symbols = {"archive": beside(archive), "sha256": built["debug_symbols"]["sha256"]}
        return {**planned, "sha256": built["sha256"], "debug_symbols": symbols, "seconds": built["seconds"]}

    def _build(self, wanted, packed, task_vars):
        source, exclude = os.path.abspath(wanted["source"]), wanted.get("exclude", EXCLUDE)
        is_now = version(source, wanted.get("cmake_options", ()), exclude)
        if is_now != wanted["version"]:
            raise HostError(f"engine source {source}: gives {is_now} now, wanted is {wanted['version']}; edited during the run, run again")
        pack(source, "source", packed, exclude)
        sent = self._connection._shell.join_path(self._make_tmp_path(), "source.tar.gz")
        self._transfer_file(packed, sent)
        self._fixup_perms2((self._connection._shell.tmpdir, sent))
        return self._execute_module(module_name="hft.ops.engine_build", module_args={**wanted, "received": sent}, task_vars=task_vars)

    def _bring(self, built, archive, key):
        os.makedirs(os.path.dirname(archive), exist_ok=True)
        # The symbols before the release: a release that is there has its symbols.
        symbols = built["debug_symbols"]
        arriving = ((symbols["archive"], symbols["sha256"], beside(archive)), (built["built"], built["sha256"], archive))
        for place, sha256, to in arriving:
            self._fetch(place, sha256, to)
        wrong = sign(f"{archive}.arriving", key, f"{archive}.asc") if key else None
        if wrong:
            raise HostError(f"{archive}: could not be signed with {key}: {wrong}; the release is not there")
        for _place, sha256, to in arriving:
            with open(f"{to}.sha256", "w", encoding="utf-8") as text:
                text.write(f"{sha256}  {os.path.basename(to)}\n")
            os.replace(f"{to}.arriving", to)

    def _fetch(self, place, sha256, to):
        self._connection.fetch_file(place, f"{to}.arriving")
        digest = sha256_of(f"{to}.arriving")
        if digest != sha256:
            os.unlink(f"{to}.arriving")
            raise HostError(f"{to}: sha256 after the way is {digest}, on the build host {sha256}; run again")
