#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Bring everything that a program reads at its start, validated before it replaces
version_added: 0.1.0
description:
  - Writes the configuration (JSON), the environment file with the secrets, and the systemd unit of a program, in one call.
  - The configuration is validated by the program itself (C(--validate-config --config=FILE)), the unit by C(systemd-analyze verify).
    Only when both are taken is anything replaced; whatever fails, the old files stand.
  - Asks the running engine before anything would change, and refuses while it holds a lease (O(guard)).
  - Does not restart anything; notify a handler. With O(take_up) the running engine takes it up before the module returns, and whatever
    fails, it runs the old files again.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  path:
    description: The configuration file.
    type: path
    required: true
  config:
    description: The whole configuration; written in the order given.
    type: dict
    required: true
  validator:
    description:
      - Program that validates the configuration; give the one of the release that is to be started with it.
      - In check mode a program that is not installed yet leaves the configuration unvalidated (RV(validated)).
    type: path
    required: true
  owner:
    description: User that owns the configuration and the environment file.
    type: str
    required: true
  group:
    description: Their group.
    type: str
    required: true
  environment_path:
    description: The environment file, mode 0600. Left alone when not given.
    type: path
  environment:
    description: Whole content of the environment file.
    type: str
  unit_path:
    description: The unit file. Left alone when not given.
    type: path
  unit:
    description: Whole content of the unit file.
    type: str
  guard:
    description: The engine that must not be disturbed while it holds a lease. Left out for programs that hold none.
    type: dict
    suboptions:
      service: {description: systemd unit that runs the engine., type: str, required: true}
      config: {description: Configuration of the running engine; tells where its API listens., type: path, required: true}
      api_token: {description: Token with the scope read for its API; not needed where it has none., type: str}
      allow_disruption: {description: Change a trading engine all the same., type: bool, default: false}
  take_up:
    description:
      - Have the engine of O(guard) run the new files, and prove it by the sha256 that it tells (C(/api/v1/config/status)).
      - While it trades it takes up limits, parameters and paper_trading of a strategy. A new strategy is loaded, stopped and without a
        lease; one that is no more in the configuration is unloaded, and refused while this engine holds it. Anything else, secrets and
        unit too, is a restart of its service, which is refused while it holds a lease.
      - O(guard.api_token) needs the scope operate then. In check mode RV(way) tells what a run would do, also where a run would be refused.
    type: bool
    default: false
  timeout:
    description: Seconds for an engine that is restarted to answer, with O(take_up).
    type: float
    default: 30
seealso:
  - module: hft.ops.engine_release
  - module: hft.ops.services
"""

EXAMPLES = r"""
- name: Configuration, secrets and unit of the engine
  hft.ops.engine_config:
    path: /opt/hft_system/config/production.json
    config: "{{ my_engine_config }}"
    validator: /opt/hft_system/releases/0.1.0+0a1b2c3d/bin/hft_system
    owner: hft_user
    group: hft_user
    environment_path: /opt/hft_system/.env
    environment: "DB_PASSWORD={{ my_vaulted_password }}\n"
    unit_path: /etc/systemd/system/hft_system.service
    unit: "{{ lookup('ansible.builtin.template', 'hft_system.service.j2') }}"
  notify: Restart the engine

- name: New limits, taken up by the engine while it trades
  hft.ops.engine_config:
    path: /opt/hft_system/config/production.json
    config: "{{ my_engine_config }}"
    validator: /opt/hft_system/current/bin/hft_system
    owner: hft_user
    group: hft_user
    guard: {service: hft_system.service, config: /opt/hft_system/config/production.json}
    take_up: true
"""

RETURN = r"""
validated:
  description: Whether the program has seen the configuration; false in check mode when it is not installed yet.
  returned: success
  type: bool
way:
  description: What the engine needed to run it, V(none), V(reload) or V(restart); in check mode what it would need.
  returned: success, with O(take_up)
  type: str
keys:
  description: What it did not run, as JSON pointers with a strategy by its id; then the files that it reads at its start alone.
  returned: success, with O(take_up)
  type: list
  elements: str
loaded_sha256:
  description: sha256 of the configuration file that the engine has loaded; in check mode before.
  returned: success, with O(take_up)
  type: str
differences:
  description: Every difference between wanted and found, with its layer, path, before and after; secrets are not shown.
  returned: success
  type: list
  elements: dict
"""

import json
import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_environment import api_tokens
from ansible_collections.hft.ops.plugins.module_utils._engine_guard import GUARD_SPEC, guarded_api, refuse_disruption
from ansible_collections.hft.ops.plugins.module_utils._engine_take_up import TakeUp
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "config": {"type": "dict", "required": True},
            "validator": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "group": {"type": "str", "required": True},
            "environment_path": {"type": "path"},
            "environment": {"type": "str", "no_log": True},
            "unit_path": {"type": "path"},
            "unit": {"type": "str"},
            "guard": GUARD_SPEC,
            "take_up": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 30},
        },
        required_if=[("take_up", True, ["guard"])],
        required_together=[("environment_path", "environment"), ("unit_path", "unit")],
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    try:
        result = apply(module, Host(), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


def apply(module: AnsibleModule, host: Host, plan: Plan) -> dict:
    """Plan, validate and, outside check mode, run; returns the module's own result keys."""
    wanted = module.params
    config = json.dumps(wanted["config"], indent=2, ensure_ascii=False) + "\n"
    owner, group = wanted["owner"], wanted["group"]
    # The environment comes first: when the disk is full, it is the configuration in use that must not be half new.
    if wanted["environment_path"]:
        plan.file(host.owned_file(wanted["environment_path"]), wanted["environment"], 0o600, owner, group, secret=True)
    new_unit = bool(wanted["unit_path"]) and plan.file(host.owned_file(wanted["unit_path"]), wanted["unit"], 0o644, "root", "root")
    new_config = plan.file(host.owned_file(wanted["path"]), config, 0o640, owner, group)
    validated = not new_config or _validate_config(module, host, config)
    if new_unit:
        _verify_unit(module, wanted["unit_path"], wanted["unit"])
    if wanted["take_up"]:
        return {"validated": validated, **_take_up(module, host, plan)}
    refuse_disruption(wanted["guard"], plan, host, module.run_command)
    plan.run()
    return {"validated": validated}


def _take_up(module: AnsibleModule, host: Host, plan: Plan) -> dict:
    """Write what is planned and have the engine run it; after a failure the former files stand, and it runs them."""
    wanted, guard = module.params, module.params["guard"]
    start_files = [path for path in (wanted["environment_path"], wanted["unit_path"]) if path]
    engine = TakeUp(host, Systemctl(module.run_command), lambda: guarded_api(guard, host), guard["service"], wanted["path"], start_files,
                    wanted["timeout"], guard["allow_disruption"])
    pending = engine.judge(wanted["config"], {one.path.partition(" (")[0] for one in plan.differences})
    if not plan.check_mode:
        engine.refuse(pending)
    before = engine.loaded_sha256()
    found = [Difference("live", one.pointer, one.before, one.after) for one in pending.changes if one.before != one.after]
    if pending.way != "none" and not found:
        found = [Difference("live", guard["service"], f"runs {before[:12]}", f"runs {wanted['path']}")]
    if found:
        plan.change(*found, write=engine.bring)
    plan.follow_up(engine.bring)
    plan.run()
    return {"way": pending.way, "keys": pending.keys, "loaded_sha256": before if plan.check_mode else engine.loaded_sha256()}


def _validate_config(module: AnsibleModule, host: Host, config: str) -> bool:
    """Let the program judge; False when it is not there yet, which only check mode may meet."""
    program = str(host.path(module.params["validator"]))
    if not os.access(program, os.X_OK):
        if module.check_mode:
            return False
        raise HostError(f"{module.params['validator']}: is not an executable program on this host; install the release first")
    with tempfile.TemporaryDirectory() as scratch:
        candidate = os.path.join(scratch, os.path.basename(module.params["path"]))
        with open(candidate, "w", encoding="utf-8") as out:
            out.write(config)
        rc, out, err = module.run_command([program, "--validate-config", f"--config={candidate}"],
                                          environ_update=api_tokens(module.params["environment"]))
    if rc != 0:
        lines = f"{err}\n{out}".replace(candidate, module.params["path"]).splitlines()
        said = "; ".join(line.strip() for line in lines if line.strip()) or f"exit status {rc}"
        raise HostError(f"configuration refused, {module.params['path']} and the running program are as before: {said}")
    return True


def _verify_unit(module: AnsibleModule, path: str, unit: str) -> None:
    """Let systemd judge. The first unit is written before the current link exists, so its programs are looked for in the release."""
    if module.get_bin_path("systemd-analyze") is None:
        return
    release = os.path.dirname(os.path.dirname(module.params["validator"]))
    home = os.path.dirname(os.path.dirname(release))
    with tempfile.TemporaryDirectory() as scratch:
        candidate = os.path.join(scratch, os.path.basename(path))
        with open(candidate, "w", encoding="utf-8") as out:
            out.write(unit.replace(f"={home}/bin/", f"={release}/bin/"))
        rc, _out, err = module.run_command(["systemd-analyze", "verify", "--man=no", candidate])
    if rc != 0 and not (module.check_mode and "is not executable" in err):
        lines = [line.strip().replace(scratch, os.path.dirname(path)) for line in err.splitlines() if os.path.basename(path) in line]
        raise HostError(f"unit refused, {path} is as before: {'; '.join(lines) or err.strip() or f'exit status {rc}'}")


if __name__ == "__main__":
    main()
