# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record says a result touched: the same words in check mode and in the run."""

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.callback.run_record import touched

_CASES = {
    "own difference record, sorted, once each": (
        {"differences": [{"path": "/b"}, {"path": "/a"}, {"path": "/b"}], "dest": "/not-this"}, ["/a", "/b"]),
    "destination of a copy": ({"dest": "/etc/x", "invocation": {"module_args": {"dest": "/etc/x"}}}, ["/etc/x"]),
    "destination of a copy in check mode": ({"invocation": {"module_args": {"dest": "/etc/x"}}}, ["/etc/x"]),
    "packages": ({"invocation": {"module_args": {"name": ["b", "a"]}}}, ["a", "b"]),
    "item of a loop whose module names nothing": ({"item": "x", "_ansible_item_label": "label"}, ["label"]),
    "a result that was hidden": ({"censored": "hidden"}, [""]),
}


@pytest.mark.parametrize("case", _CASES)
def test_touched(case: str) -> None:
    result, expected = _CASES[case]
    assert touched(result) == expected
