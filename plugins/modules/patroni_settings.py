#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_settings
short_description: State the whole dynamic configuration of a Patroni cluster
version_added: 0.1.0
description:
  - Compares what Patroni keeps in etcd for all members with what is wanted, and replaces it as a whole where it differs. What is not named
    is taken out, so nothing set by hand stays unseen.
  - Waits, outside check mode, until the member answers. Where nothing answers yet, check mode has nothing to compare, and lists nothing.
  - Patroni takes changed settings up by itself; those of PostgreSQL that need a restart wait for one (playbook C(database_restart)).
options:
  settings:
    description: The dynamic configuration, as C(patronictl show-config) prints it.
    type: dict
    required: true
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.patroni]
"""

EXAMPLES = r"""
- name: A commit waits for one of the standbys, always
  hft.ops.patroni_settings:
    url: https://hft-db-01:8008
    ca: /etc/postgresql/tls/authority.crt
    certificate: /etc/postgresql/tls/host.crt
    key: /etc/postgresql/tls/host.key
    settings:
      ttl: 20
      loop_wait: 5
      retry_timeout: 5
      synchronous_mode: quorum
      synchronous_mode_strict: true
"""

RETURN = r"""
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._patroni import PATRONI_ARGUMENTS, Patroni
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan


def text(settings: dict[str, Any]) -> str:
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"


def found(patroni: Patroni, check_mode: bool) -> dict[str, Any] | None:
    """None where nobody answers yet."""
    if not check_mode:
        return patroni.until(patroni.settings, "an answer of Patroni")
    try:
        return patroni.settings()
    except HostError:
        return None


def main() -> None:
    module = AnsibleModule(argument_spec={"settings": {"type": "dict", "required": True}, **PATRONI_ARGUMENTS}, supports_check_mode=True)
    patroni, wanted = Patroni(module.params), module.params["settings"]
    plan = Plan(module.check_mode)

    def verify() -> None:
        now = patroni.settings()
        if now != wanted:
            raise HostError(f"settings: Patroni keeps {json.dumps(now, sort_keys=True)} in their place")

    try:
        before = found(patroni, module.check_mode)
        if before not in (None, wanted):
            plan.change(Difference("live", "patroni /config", text(before), text(wanted)), write=lambda: patroni.replace_settings(wanted))
        plan.run(verify)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


if __name__ == "__main__":
    main()
