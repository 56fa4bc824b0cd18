# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How a module reaches Prometheus."""

    DOCUMENTATION = r"""
options:
  url:
    description: Prometheus, as C(http://hft-mon-01:9090). Proxies of the environment are not used.
    type: str
    required: true
  timeout:
    description: Seconds for one query.
    type: float
    default: 5
  username:
    description: For basic authentication, with O(password).
    type: str
  password:
    description: Its password.
    type: str
  token:
    description: Bearer token, instead of O(username).
    type: str
  ca:
    description: File with the certificates that may have signed that of an C(https) O(url); those of the system when left out.
    type: path
"""
