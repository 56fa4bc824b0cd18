# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. A value held against a JSON schema. Only what the schemas of this collection use is understood."""

from __future__ import annotations

import math
import re
from typing import Any

KEYWORDS = frozenset({"$schema", "title", "description", "type", "required", "additionalProperties", "properties", "items", "const", "enum",
                      "pattern", "minLength", "minimum"})
_TYPES: dict[str, tuple[type, ...]] = {"object": (dict,), "array": (list, tuple), "string": (str,), "number": (int, float),
                                       "boolean": (bool,), "null": (type(None),)}


class RecordWrong(ValueError):
    """The record is not what the schema asks for: one line that names the place."""


def check(value: Any, schema: dict[str, Any], place: str = "record") -> None:
    """Raise RecordWrong naming the first place that differs."""
    _check(value, schema, place)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _check(value: Any, wanted: dict[str, Any], place: str) -> None:
    if "const" in wanted and value != wanted["const"]:
        raise RecordWrong(f"{place}: expected {wanted['const']!r}, found {_short(value)}")
    if "enum" in wanted and value not in wanted["enum"]:
        raise RecordWrong(f"{place}: expected one of {', '.join(wanted['enum'])}, found {_short(value)}")
    kinds = wanted.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise RecordWrong(f"{place}: expected {' or '.join(kinds)}, found {_short(value)}")
    if isinstance(value, str):
        _check_text(value, wanted, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise RecordWrong(f"{place}: expected a number that is finite, found {value}")
    elif isinstance(value, (int, float)) and value < wanted.get("minimum", value):
        raise RecordWrong(f"{place}: expected {wanted['minimum']} or more, found {value}")
    elif isinstance(value, dict):
        _check_object(value, wanted, place)
    elif isinstance(value, (list, tuple)) and "items" in wanted:
        for index, one in enumerate(value):
            _check(one, wanted["items"], f"{place}[{index}]")


def _check_text(value: str, wanted: dict[str, Any], place: str) -> None:
    if len(value) < wanted.get("minLength", 0):
        raise RecordWrong(f"{place}: expected text, found none")
    if "pattern" in wanted and not re.search(wanted["pattern"], value):
        raise RecordWrong(f"{place}: expected a moment in UTC such as 2026-11-20T22:00:00Z, found {_short(value)}")


def _check_object(value: dict[str, Any], wanted: dict[str, Any], place: str) -> None:
    known = wanted.get("properties", {})
    missing = [key for key in wanted.get("required", []) if key not in value]
    if missing:
        raise RecordWrong(f"{place}: {missing[0]} is missing")
    if wanted.get("additionalProperties") is False:
        foreign = sorted(set(value) - set(known))
        if foreign:
            raise RecordWrong(f"{place}: unknown key {foreign[0]}; expected {', '.join(known)}")
    for key, part in known.items():
        if key in value:
            _check(value[key], part, f"{place}.{key}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
