#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_checks
short_description: Ask an installed engine, piece by piece, whether it is in order
version_added: 0.1.0
description:
  - Asks each thing itself. The binary for its version, the binary for its verdict on the configuration, systemd for the service,
    the control API for health, database and venues, the log files for their growth.
  - A negative answer is a row of the result, never a failure of the task; the caller judges. Changes nothing.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api]
options:
  home:
    description: Home of the installation; holds C(current), C(bin) and C(config).
    type: path
    default: /opt/hft_system
  service:
    description: Name of the systemd unit, without its suffix.
    type: str
    default: hft_system
  config:
    description: Configuration file; C(config/production.json) below O(home) when left out.
    type: path
  log_dir:
    description: Directory of C(system.log) and C(errors.log).
    type: path
    default: /var/log/hft_system
  api_address:
    description: Address of the control API on the host.
    type: str
    default: 127.0.0.1
  api_port:
    description: Port of the control API, 1 to 65535.
    type: int
    default: 8080
  log_age_s:
    description:
      - Greatest age of the last write to C(system.log), in seconds.
      - The engine writes a line of its state at least every 10 seconds.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Ask the engine
  hft.ops.engine_checks:
  register: engine

- name: Show what it said
  ansible.builtin.debug:
    msg: "{{ engine.checks | hft.ops.text_table(['check', 'ok', 'detail']) }}"
"""

RETURN = r"""
checks:
  description: One row a check, in a fixed order.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: What was asked.
      type: str
    ok:
      description: Whether the answer was the one that a good deployment gives.
      type: bool
    detail:
      description: The answer itself.
      type: str
ok:
  description: Whether every row is ok.
  returned: always
  type: bool
version:
  description: What the installed binary says of its version; null when it cannot be run.
  returned: always
  type: str
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import API_SPEC, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_environment import api_tokens
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


class Checks:
    """The rows, in the order in which they are asked."""

    def __init__(self, module: AnsibleModule, host: Host) -> None:
        self._module = module
        self._host = host
        self._home = module.params["home"]
        self.rows: list[dict] = []
        self.version: str | None = None

    def _row(self, check: str, ok: bool, detail: str) -> None:
        self.rows.append({"check": check, "ok": ok, "detail": " ".join(detail.split())})

    def _binary(self, *arguments: str) -> tuple[int, str]:
        program = str(self._host.path(f"{self._home}/bin/hft_system"))
        if not os.access(program, os.X_OK):
            return 127, f"{self._home}/bin/hft_system: not there or not executable"
        tokens = api_tokens(self._host.read(f"{self._home}/.env"))
        rc, out, err = self._module.run_command([program, *arguments], environ_update=tokens)
        return rc, (out + err).strip()

    def binary(self) -> None:
        rc, said = self._binary("--version")
        self.version = said.split()[-1] if rc == 0 and said else None
        try:
            release = os.path.basename(os.readlink(self._host.path(f"{self._home}/current")))
        except OSError as wrong:
            self._row("binary installed", False, f"{self._home}/current: {wrong.strerror}")
            return
        same = self.version == release
        self._row("binary installed", same, said if same else f"says {said!r}, the release is {release}")

    def configuration(self) -> None:
        config = self._module.params["config"] or f"{self._home}/config/production.json"
        rc, said = self._binary("--validate-config", f"--config={config}")
        self._row("configuration valid", rc == 0, config if rc == 0 else said)

    def service(self) -> None:
        name = f"{self._module.params['service']}.service"
        try:
            unit = Systemctl(self._module.run_command).units([name])[name]
        except HostError as wrong:
            self._row("service running", False, str(wrong))
            return
        ok = unit.active_state == "active" and unit.enablement == "enabled"
        self._row("service running", ok, f"{name} {unit.active_state}, {unit.enablement}")

    def api(self) -> None:
        try:
            status = engine_api(self._module.params, self._module.params["api_address"], self._module.params["api_port"]).status()
        except HostError as silent:
            for check in ("API answering", "database reachable", "venue connected"):
                self._row(check, False, str(silent))
            return
        same = status["version"] == self.version
        said = f"{status['role']}, version {status['version']}"
        self._row("API answering", same, said if same else f"{said}, installed is {self.version}")
        host = status["database"]["host"] if status["database"]["connected"] else None
        self._row("database reachable", host is not None, f"writes to {host}" if host else "no connection for writing")
        venues = {one["name"]: one["status"] for one in status["exchanges"]}
        said = ", ".join(f"{name} {how}" for name, how in venues.items()) or "no venue"
        self._row("venue connected", set(venues.values()) == {"connected"}, said)

    def logs(self) -> None:
        folder = self._module.params["log_dir"]
        try:
            age_s = time.time() - self._host.path(f"{folder}/system.log").stat().st_mtime
            errors = self._host.path(f"{folder}/errors.log").stat().st_size
        except OSError as wrong:
            self._row("logs being written", False, f"{wrong.filename}: {wrong.strerror}")
            return
        self._row("logs being written", age_s <= self._module.params["log_age_s"],
                  f"system.log written {age_s:.1f} s ago, errors.log {errors} bytes")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **API_SPEC,
            "home": {"type": "path", "default": "/opt/hft_system"},
            "service": {"type": "str", "default": "hft_system"},
            "config": {"type": "path"},
            "log_dir": {"type": "path", "default": "/var/log/hft_system"},
            "api_address": {"type": "str", "default": "127.0.0.1"},
            "api_port": {"type": "int", "default": 8080},
            "log_age_s": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    checks = Checks(module, Host())
    for ask in (checks.binary, checks.configuration, checks.service, checks.api, checks.logs):
        ask()
    module.exit_json(changed=False, checks=checks.rows, ok=all(row["ok"] for row in checks.rows), version=checks.version)


if __name__ == "__main__":
    main()
