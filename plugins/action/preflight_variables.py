# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the variables of hosts with the options of the collection's roles; documented in plugins/modules/preflight_variables.py."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_ROLES = Path(__file__).resolve().parent.parent.parent / "roles"


class ActionModule(ActionBase):
    """Runs on the controller; no connection to the host is opened."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        task_vars = task_vars or {}
        result = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec={
            "hosts": {"type": "list", "elements": "str", "default": []},
            "allow": {"type": "list", "elements": "str", "default": []},
        })
        hosts = arguments["hosts"] or task_vars["ansible_play_hosts_all"]
        variables = {host: task_vars["hostvars"].raw_get(host).keys() for host in hosts if host in task_vars["hostvars"]}
        options = role_options(_ROLES)
        checked, unknown = compare(variables, options, set(arguments["allow"]))
        sources = [Path(source) for source in task_vars.get("ansible_inventory_sources") or []]
        files = variable_files([*sources, Path(task_vars["playbook_dir"])])
        for variable in unknown:
            variable["file"] = where(variable["name"], files)
        unknown = [variable for variable in unknown if variable["file"] or not left_by_its_role(_ROLES, variable)]
        result.update(changed=False, checked=checked, unknown=unknown)
        if unknown:
            result.update(failed=True, msg="\n".join(map(sentence, unknown)))
        return result


def role_options(roles: Path) -> dict[str, set[str]]:
    """Options of each role, over all its entry points."""
    found = {}
    for spec in sorted(roles.glob("*/meta/argument_specs.yml")):
        try:
            entry_points = yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"].values()
            found[spec.parent.parent.name] = {name for entry in entry_points for name in entry.get("options") or {}}
        except (yaml.YAMLError, KeyError, AttributeError, TypeError) as wrong:
            raise AnsibleActionFail(f"{spec}: expected argument_specs.<entry point>.options; reinstall the collection ({wrong})") from wrong
    if not found:
        raise AnsibleActionFail(f"{roles}: holds no role with an argument specification; reinstall the collection")
    return found


def compare(variables: dict[str, Iterable[str]], options: dict[str, set[str]], allow: set[str]) -> tuple[int, list[dict[str, Any]]]:
    """Number of variables that carry the name of a role, and those of them that are no option of any."""
    known = set().union(*options.values()) | allow
    by_length = sorted(options, key=len, reverse=True)
    carriers: dict[str, list[str]] = {}
    for host, names in sorted(variables.items()):
        for name in names:
            carriers.setdefault(name, []).append(host)
    checked, unknown = 0, []
    for name, hosts in sorted(carriers.items()):
        role = next((role for role in by_length if name.startswith(f"{role}_")), None)
        if role is None:
            continue
        checked += 1
        if name not in known:
            near = difflib.get_close_matches(name, sorted(options[role]), n=1) or difflib.get_close_matches(name, sorted(known), n=1)
            unknown.append({"name": name, "role": role, "nearest": near[0] if near else None, "hosts": hosts})
    return checked, unknown


def left_by_its_role(roles: Path, variable: dict[str, Any]) -> bool:
    """Whether tasks of the role register or set it: a playbook that asked first and goes on with site.yml has it on its hosts."""
    leaves = re.compile(rf"^\s+(?:register: {re.escape(variable['name'])}|{re.escape(variable['name'])}:.*)$", re.MULTILINE)
    return any(leaves.search(tasks.read_text(encoding="utf-8")) for tasks in (roles / variable["role"] / "tasks").glob("*.yml"))


def variable_files(sources: list[Path]) -> list[Path]:
    """The files in which variables of these inventories and playbook folders can stand."""
    files: list[Path] = []
    for source in sources:
        folder = source if source.is_dir() else source.parent
        files += [source] if source.is_file() else sorted(path for path in folder.glob("*") if path.is_file())
        for below in ("group_vars", "host_vars"):
            files += sorted(path for path in (folder / below).rglob("*") if path.is_file())
    return files


def where(name: str, files: list[Path]) -> str | None:
    """File and line that set a variable, None when it stands in none of them (extra variables, vaults, dynamic inventories)."""
    setting = re.compile(rf"""\s*["']?{re.escape(name)}["']?\s*[:=]""")
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(lines, 1):
            # In an INI inventory variables may follow the host on its line.
            if setting.match(line) or re.search(rf"\s{re.escape(name)}=", line):
                return f"{path}:{number}"
    return None


def sentence(variable: dict[str, Any]) -> str:
    hosts = variable["hosts"]
    whose = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    near = f"did you mean {variable['nearest']}?" if variable["nearest"] else f"see roles/{variable['role']}/README.md for its options"
    place = variable["file"] or "no file of the inventory, so perhaps -e"
    return f"{variable['name']} ({place}; {whose}): role {variable['role']} has no such option; {near}"
