# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presses the kill switch before the module is there; the module, documented in plugins/modules/engine_killswitch.py, confirms.

To pack a module and to start it on the host takes most of the time in which orders still leave. The collection's one client of the engine's
API goes to the host's interpreter as it is, by the connection that the module is about to use. Whatever goes wrong with that is the
module's to tell, which does the same again.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hft.ops.plugins.module_utils import _engine_api
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

# An engine that does not answer by then is the module's to wait for.
_TIMEOUT_S = 1.0
_PROGRAM = """\
import json, sys, types
host = types.ModuleType("host")
host.HostError = type("HostError", (Exception,), {{}})
sys.modules[{host!r}] = host
client = types.ModuleType("client")
sys.modules["client"] = client
exec(compile({source!r}, "engine_api", "exec"), client.__dict__)
given = json.loads({given!r})
api = client.engine_api(given)
api.timeout_s = {timeout_s!r}
try:
    before = api.killswitch()
except host.HostError:
    before = {{}}
api.latch(given["reason"], given["strategy"])
scopes = before.get("strategies", []) if given["strategy"] else [{{**before, "strategy": ""}}]
print("stood" if any(one.get("latched") and one["strategy"] == given["strategy"] for one in scopes) else "pressed")
"""


class ActionModule(ActionBase):
    """One more command on the host; in check mode, and where nothing is latched, the module alone."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = {**self._task.args, "pressed": False}
        if arguments.get("state") == "latched" and not self._task.check_mode:
            arguments["pressed"] = self._pressed(arguments, task_vars or {})
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result

    def _pressed(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> bool:
        """Whether the switch was latched by this, and was not before."""
        interpreter = self._templar.template(task_vars.get("ansible_python_interpreter") or "/usr/bin/python3")
        # The program, a token in it, must not stand in a list of processes: it goes by standard input, as modules do where that is on.
        if not str(interpreter).startswith("/") or not self._connection.has_pipelining:
            return False
        try:
            told = self._low_level_execute_command(f"{shlex.quote(interpreter)} -I -", in_data=program(arguments).encode())
        except (HostError, ValueError, TypeError):
            return False
        return told["rc"] == 0 and told["stdout"].strip() == "pressed"


def program(arguments: dict[str, Any]) -> str:
    """What the host's interpreter runs. HostError: the arguments are not fit for it, as the module will tell."""
    given = {"reason": None, "strategy": "", **{name: option.get("default") for name, option in _engine_api.ENGINE_SPEC.items()}}
    given.update({name: arguments[name] for name in given if arguments.get(name) is not None})
    _engine_api.check_reason(given["reason"])
    given["port"] = int(given["port"])
    return _PROGRAM.format(host=HostError.__module__, source=Path(_engine_api.__file__).read_text(encoding="utf-8"),
                           given=json.dumps(given, default=str), timeout_s=_TIMEOUT_S)
