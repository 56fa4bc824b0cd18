# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which member's API is asked: PATRONI_ARGUMENTS of module_utils/_patroni.py."""

    DOCUMENTATION = r"""
options:
  url:
    description: Address of a member's REST API, as its certificate names it.
    type: str
    required: true
  ca:
    description: File of the authority that signed the certificates of the members.
    type: path
    required: true
  certificate:
    description: File of a member's certificate, without which the API changes nothing.
    type: path
    required: true
  key:
    description: File of its key.
    type: path
    required: true
  wait_s:
    description: Seconds to wait at most, outside check mode, for what is wanted.
    type: int
    default: 60
"""
