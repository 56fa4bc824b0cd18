#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: limits
short_description: Set all resource limits of a host in one call, for sessions and for services
version_added: 0.1.0
description:
  - Keeps one file in C(limits.d) for sessions (PAM), and one drop-in per systemd unit for services, because limits of PAM do not
    reach services.
  - Reads what a running service really has from C(/proc/PID/limits) and says which services must be restarted to get it.
  - Nothing is restarted. What is wrong with the input is reported in one error before anything is written.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  entries:
    description: Limits of sessions, the whole wanted state of O(path).
    type: list
    elements: dict
    default: []
    suboptions:
      domain:
        description: A user, C(@group), C(%group), C(*), or a range of ids as in limits.conf(5).
        type: str
        required: true
      type:
        description: Which limit.
        type: str
        choices: [soft, hard, both]
        default: both
      item:
        description: The resource as limits.conf(5) names it.
        type: str
        required: true
        choices: [as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, sigpending, stack,
          maxlogins, maxsyslogins, priority]
      value:
        description:
          - A whole number in the unit of limits.conf(5), sizes in KiB and C(cpu) in minutes, or V(unlimited).
          - C(nofile) cannot be unlimited or above C(fs.nr_open), with which nobody could log in any more.
        type: str
        required: true
  units:
    description: Limits of services.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Full name of a service, socket, mount or swap unit. It need not exist yet.
        type: str
        required: true
      limits:
        description:
          - Resource to value, in the unit of the kernel, sizes in bytes and C(cpu) in seconds. V(infinity) is no limit, V(soft:hard) gives
            both apart.
        type: dict
        required: true
  path:
    description: The file for sessions, owned as a whole.
    type: path
    default: /etc/security/limits.d/90-hft.conf
  purge:
    description: Whether entries in O(path) that are not in O(entries), and drop-ins of units that are not in O(units), are removed.
    type: bool
    default: true
notes:
  - In a container whose first process lacks CAP_SYS_RESOURCE no limit can be raised above that process' own. Such limits are written
    and reported as C(not_applicable) with both figures.
seealso:
  - module: community.general.pam_limits
  - module: hft.ops.sysctl
"""

EXAMPLES = r"""
- name: Limits of the engine's user and service
  hft.ops.limits:
    entries:
      - {domain: hft_user, item: nofile, value: 65536}
      - {domain: hft_user, item: memlock, value: unlimited}
    units:
      - name: hft_system.service
        limits:
          nofile: 65536
          memlock: infinity
          rtprio: 50
"""

RETURN = r"""
entries:
  description: How each limit of sessions stands after the run, in check mode as found. The name is domain, type and item.
  returned: success
  type: list
  elements: dict
units:
  description: How each limit of each unit stands. The name is unit and resource.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Unit and resource., type: str}
    status: {description: 'C(applied), C(not_applicable) or C(drifted).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The wanted value., type: str}
    persisted: {description: The value in the drop-in., type: str}
    booted: {description: What systemd would give the unit if it started now., type: str}
    live: {description: What the running service has; null when it does not run., type: str}
restart_required:
  description: Running units that have other limits than wanted until they are restarted.
  returned: success
  type: list
  elements: str
conflicts:
  description: Entries that another file in C(limits.d), read later, sets to another value. Each is also a warning.
  returned: success
  type: list
  elements: dict
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._limits import SPEC, apply, warnings
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("limits"))
    try:
        result = apply(module.params, Host(), Systemctl(module.run_command), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for text in warnings(result):
        module.warn(text)
    module.exit_json(**result, **plan.result())


if __name__ == "__main__":
    main()
