# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints lines as they stand, whatever form results are printed in; documented in plugins/modules/show_lines.py."""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_COLOURS = {"failed": "COLOR_ERROR", "drifted": "COLOR_ERROR", "pending_reboot": "COLOR_CHANGED", "applied": "COLOR_OK",
            "as_wanted": "COLOR_OK", "not_applicable": "COLOR_SKIP"}


class ActionModule(ActionBase):
    """Runs on the controller; no connection to the host is opened."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec={
            "lines": {"type": "list", "elements": "dict", "required": True, "options": {
                "text": {"type": "str", "required": True}, "status": {"type": "str", "default": ""}}},
        })
        # In one piece, so that lines of several hosts do not mix; a colour ends with its line.
        for text, colour in painted(arguments["lines"]):
            Display().display(text, color=colour)
        result.update(changed=False)
        return result


def painted(lines: list[dict[str, str]]) -> list[tuple[str, str | None]]:
    """Runs of neighbouring lines of one colour, each as one text with the name of its colour as ansible.cfg has it."""
    found: list[tuple[str, str | None]] = []
    for line in lines:
        name = _COLOURS.get(line["status"])
        colour = getattr(constants, name) if name else None
        if found and found[-1][1] == colour:
            found[-1] = (f"{found[-1][0]}\n{line['text']}", colour)
        else:
            found.append((line["text"], colour))
    return found
