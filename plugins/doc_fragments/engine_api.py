# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How a module reaches an engine whose control API is not plain and open on loopback."""

    DOCUMENTATION = r"""
options:
  api_url:
    description: The control API as C(http://HOST:PORT) or C(https://HOST:PORT); takes the place of address and port.
    type: str
  api_token:
    description: Bearer token of the scope that the module needs. Not needed where the engine has no tokens.
    type: str
  api_ca:
    description: File on the host with the authorities that may have signed the engine's certificate. Its name is checked. Implies TLS.
    type: path
  api_certificate:
    description: File on the host whose first certificate must be the engine's own, whatever its name and date. Implies TLS.
    type: path
"""
