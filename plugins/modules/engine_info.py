#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_info
short_description: Status of the engine on this host, as it says itself
version_added: 0.1.0
description:
  - Asks the engine's control API on the host for its status. Changes nothing.
  - With O(version) it is a proof, waits until the engine answers with that version, and fails when it does not.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.engine_api, hft.ops.engine_address]
options:
  version:
    description:
      - Version that must answer.
      - In check mode another answer, or none, is reported and not a failure, as the run would still bring it.
    type: str
  timeout:
    description: Seconds to wait for an engine that is starting; 0 asks once.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Who trades here
  hft.ops.engine_info:
  register: engine

- name: The new version answers
  hft.ops.engine_info:
    version: 0.1.0+0a1b2c3d
    timeout: 20
"""

RETURN = r"""
answering:
  description: Whether the engine's API answered.
  returned: success
  type: bool
reason:
  description: Why it did not answer.
  returned: success
  type: str
status:
  description: The status document of C(/api/v1/status); empty when it did not answer.
  returned: success
  type: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import (
    ENGINE_SPEC,
    EngineApi,
    EngineRefused,
    EngineUnreachable,
    engine_api,
)
from ansible_collections.hft.ops.plugins.module_utils._host import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "version": {"type": "str"},
            "timeout": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    wanted = module.params["version"]
    try:
        api = engine_api(module.params)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    status, reason = ask(api, wanted, 0 if module.check_mode else module.params["timeout"])
    if wanted and not module.check_mode:
        if reason:
            module.fail_json(msg=f"{reason}; read journalctl -u hft_system")
        if status["version"] != wanted:
            module.fail_json(msg=f"engine {status['engine']}: runs {status['version']}, wanted is {wanted}; "
                                 f"it was not restarted after the switch; restart its service")
    module.exit_json(changed=False, answering=not reason, reason=reason, status=status)


def ask(api: EngineApi, version: str | None, timeout_s: float) -> tuple[dict, str]:
    """Status and no reason, or no status and the reason; waits for an answer, and for the version when one is wanted."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            status, reason = api.status(), ""
        except (EngineUnreachable, EngineRefused) as silent:
            status, reason = {}, str(silent)
        if time.monotonic() >= deadline or (not reason and status["version"] == (version or status["version"])):
            return status, reason
        time.sleep(0.2)


if __name__ == "__main__":
    main()
