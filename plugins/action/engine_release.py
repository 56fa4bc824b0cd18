# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the archive of a release to the host, only when the host asks for it."""

from __future__ import annotations

import os

from ansible.plugins.action import ActionBase
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import sha256_of
from ansible_collections.hft.ops.plugins.plugin_utils._signature import unsigned

_MODULE = "hft.ops.engine_release"


class ActionModule(ActionBase):
    """Runs the module; when it needs the archive, verifies, sends, and runs it again."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments.pop("received", None)
        found = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        if found.get("failed") or not found.get("needs_archive"):
            return {**result, **found}
        wrong = self._wrong_archive(arguments)
        if wrong:
            return {**result, **found, "failed": True, "changed": False, "msg": wrong}
        if self._task.check_mode:
            return {**result, **found}
        sent = self._connection._shell.join_path(self._make_tmp_path(), "release.tar.gz")
        self._transfer_file(self._archive(arguments), sent)
        self._fixup_perms2((self._connection._shell.tmpdir, sent))
        found = self._execute_module(module_name=_MODULE, module_args={**arguments, "received": sent}, task_vars=task_vars)
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, **found}

    def _archive(self, arguments):
        return self._loader.path_dwim(os.path.expanduser(arguments.get("archive") or ""))

    def _wrong_archive(self, arguments):
        """One line when the archive on the control node is not the wanted one; None when it is, or is still to be built."""
        if not arguments.get("archive"):
            return f"release {arguments.get('version')}: is not on this host as wanted, and no archive is given to install it from"
        path, wanted = self._archive(arguments), arguments.get("sha256", "")
        if not os.path.isfile(path):
            if self._task.check_mode and not wanted:
                return None
            return f"archive {path}: is not on the control node; build the release (role hft.ops.engine_build), or correct the path"
        is_now = sha256_of(path)
        if is_now != wanted:
            return (f"archive {path}: sha256 is {is_now}, expected {wanted}; nothing was changed; "
                    f"fetch or build the archive again, or correct the sha256")
        return unsigned(path, arguments["keyring"]) if arguments.get("keyring") else None
