# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option of modules that must not disturb an engine that trades on the same host."""

    DOCUMENTATION = r"""
options:
  guard:
    description:
      - The engine that must not be disturbed. While it holds a lease, or runs and does not answer, whatever would disturb the running
        host is refused and nothing is changed. A host without that service may be disturbed.
      - The engine is asked by its own API on the host; neither the database nor the control node is needed.
      - In check mode nothing is refused; the refusal that a run would meet is a warning.
    type: dict
    suboptions:
      service:
        description: systemd unit that runs the engine.
        type: str
        default: hft_system.service
      config:
        description: Configuration of the running engine; tells where its API listens.
        type: path
        default: /opt/hft_system/config/production.json
      api_token:
        description: Token with the scope read for its API; not needed where it has none.
        type: str
      allow_disruption:
        description: Disturb a trading engine all the same.
        type: bool
        default: false
"""
