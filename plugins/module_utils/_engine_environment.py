# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The engine's environment file: what systemd reads before it starts the engine."""

from __future__ import annotations

import re

_LINE = re.compile(r"^\s*(API_TOKENS_(?:READ|OPERATE|KILL))=(.*)$", re.MULTILINE)


def api_tokens(environment: str | None) -> dict[str, str]:
    """The variables with the tokens of the control API, as the engine will see them; --validate-config looks at them too."""
    return {name: _unquoted(value.strip()) for name, value in _LINE.findall(environment or "")}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r'\\(["\\$`])', r"\1", value[1:-1])
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value
