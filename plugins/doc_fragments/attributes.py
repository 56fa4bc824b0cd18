# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What every module of the collection promises."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Reads the host and returns the differences that a run would end, with the same code; nothing is written.
  diff_mode:
    support: full
    description: Shows every difference, files as text, in a stable order.
  idempotent:
    support: full
    description: A second run with the same input changes nothing.
  platform:
    support: full
    platforms: posix
    description: Target systems. Proven on Debian 13.
  action_group:
    support: full
    membership: [hft.ops.hft]
    description: Use C(group/hft.ops.hft) in C(module_defaults) to set defaults for all modules of the collection.
"""

    # Of a module that only asks, in their place.
    INFORMATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing, answers alike in check mode.
  diff_mode:
    support: none
    description: Changes nothing.
"""

    # Of a module that runs on the control node, in their place.
    CONTROL_NODE = r"""
options: {}
attributes:
  diff_mode:
    support: none
    description: Leaves no state on a host that could differ.
  platform:
    support: full
    platforms: posix
    description: Runs on the control node.
"""
