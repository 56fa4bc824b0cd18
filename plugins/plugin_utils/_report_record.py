# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. The record of a run, held against the JSON schema beside this file."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._json_schema import check as check_value

SCHEMA = Path(__file__).resolve().parent / "deployment_record.schema.json"


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def check(record: Any) -> None:
    """Raise RecordWrong when it is not what the schema asks for."""
    check_value(record, schema())
