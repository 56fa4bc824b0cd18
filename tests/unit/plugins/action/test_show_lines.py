# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible import constants
from ansible_collections.hft.ops.plugins.action.show_lines import painted


def test_neighbours_of_one_colour_are_one_text():
    lines = [{"text": "a", "status": ""}, {"text": "b", "status": ""}, {"text": "c", "status": "drifted"},
             {"text": "d", "status": "failed"}, {"text": "e", "status": "applied"}]
    assert painted(lines) == [("a\nb", None), ("c\nd", constants.COLOR_ERROR), ("e", constants.COLOR_OK)]


def test_unknown_status_has_no_colour():
    assert painted([{"text": "a", "status": "whatever"}]) == [("a", None)]
