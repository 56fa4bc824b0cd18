# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where the control API of the engine on a host listens."""

    DOCUMENTATION = r"""
options:
  address:
    description: Where the API listens.
    type: str
    default: 127.0.0.1
  port:
    description: Its port.
    type: int
    default: 8080
"""
