# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tests of markets; the lookup market_session tells more."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.plugin_utils._market_calendar import CalendarWrong
from ansible_collections.hft.ops.plugins.plugin_utils._market_question import ask


def _test(name: str, key: str) -> Callable[..., bool]:
    def told(venue: str, **options: Any) -> bool:
        try:
            return bool(ask(venue, **options)[key])
        except CalendarWrong as wrong:
            raise AnsibleFilterError(f"hft.ops.{name}: {wrong}") from None

    return told


class TestModule:
    """The tests of this file; market_open.yml and market_may_change.yml describe them."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        return {"market_open": _test("market_open", "open"), "market_may_change": _test("market_may_change", "may_change")}
