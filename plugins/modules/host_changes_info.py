#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_changes_info
short_description: What the collection changed on a host, and what was there before
version_added: 0.1.0
description:
  - Every module of the collection that writes to a host first appends its differences to C(/var/lib/hft_ops/changes.jsonl) there. This
    module reads that record and changes nothing.
  - RV(originals) is what stood before the first change of each thing, in the form that M(hft.ops.config_files), M(hft.ops.services) and
    M(hft.ops.packages) take, so that giving it to them is the way back. What has come back already is not in it.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes.information
options:
  newest:
    description: So many changes at most in RV(changes), 0 to 10000; the originals always come from the whole record.
    type: int
    default: 20
seealso:
  - module: hft.ops.config_files
  - module: hft.ops.services
  - module: hft.ops.packages
"""

EXAMPLES = r"""
- name: What was done to this host
  hft.ops.host_changes_info:
    newest: 100
  register: host_changes

- name: Units as they were
  hft.ops.services:
    units: "{{ host_changes.originals.units }}"
"""

RETURN = r"""
changes:
  description: 'The newest changes, newest first: C(time) (UTC), C(module), C(differences), and C(undone) where the module took them back.'
  returned: success
  type: list
  elements: dict
originals:
  description: What stood before, of the things that still differ from it.
  returned: success
  type: dict
  contains:
    files:
      description: Files as M(hft.ops.config_files) takes them; with C(state=absent) those that were not there.
      type: list
      elements: dict
    units: {description: Units as M(hft.ops.services) takes them., type: list, elements: dict}
    packages: {description: Packages that were not installed., type: list, elements: str}
    sysctl: {description: Values of the running kernel by key., type: dict}
left:
  description: What has no way back by these modules, a sentence each.
  returned: success
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import FILES, ChangeRecord, originals
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import HIDDEN

_MODE = " (mode)"
_OWNER = " (owner)"


def main() -> None:
    module = AnsibleModule(argument_spec={"newest": {"type": "int", "default": 20}}, supports_check_mode=True)
    try:
        result = read(Host(), module.params["newest"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result)


def read(host: Host, newest: int) -> dict[str, Any]:
    """The module's result keys."""
    if not 0 <= newest <= 10_000:
        raise HostError(f"newest {newest}: expected 0 to 10000")
    entries = ChangeRecord("host_changes_info", host).read()
    before = originals(entries)
    left: list[str] = []
    wanted: dict[str, Any] = {
        "files": _files(before, host, left),
        "units": _units(before),
        "packages": [path for (module, _layer, path), value in before.items() if module == "packages" and value is None],
        "sysctl": {path: value for (module, layer, path), value in before.items() if module == "sysctl" and layer == "live"},
    }
    left += [f"package {path} was {value}" for (module, _layer, path), value in before.items() if module == "packages" and value]
    left += [f"{path} was {value or 'not there'}" for (module, _layer, path), value in before.items() if module == "accounts"]
    return {"changes": entries[::-1][:newest], "originals": wanted, "left": left}


def _files(before: dict[tuple[str, str, str], Any], host: Host, left: list[str]) -> list[dict[str, Any]]:
    """Whole files, whichever module owned them; newest first, as they are taken back."""
    files = []
    persisted = {path: value for (module, _layer, path), value in before.items() if module == FILES}
    for path, value in persisted.items():
        if path.endswith((_MODE, _OWNER)):
            continue
        if value is None:
            files.append({"path": path, "state": "absent"})
        elif value == HIDDEN:
            left.append(f"{path} was another file, whose content is secret and was not written down")
        else:
            # What was never changed is as it is now.
            now = host.owned_file(path)
            mode = persisted.get(path + _MODE, f"{now.mode or 0o644:04o}")
            owner, group = persisted.get(path + _OWNER, ":".join(now.owner or ("root", "root"))).split(":")
            files.append({"path": path, "content": value, "mode": mode, "owner": owner, "group": group})
    contents = {file["path"] for file in files}
    left += [f"{path} was {value}" for path, value in persisted.items()
             if path.endswith((_MODE, _OWNER)) and path[:path.rindex(" (")] not in contents]
    return files[::-1]


def _units(before: dict[tuple[str, str, str], Any]) -> list[dict[str, Any]]:
    units: dict[str, dict[str, Any]] = {}
    for (module, layer, path), value in before.items():
        if module != "services":
            continue
        unit = units.setdefault(path, {"name": path})
        if layer == "live":
            unit["state"] = "started" if value == "active" else "stopped"
        elif value == "masked":
            unit["masked"] = True
        elif value in ("enabled", "disabled"):
            unit.update(masked=False, enabled=value == "enabled")
        else:
            unit["masked"] = False  # static and the like, and what was not installed
    return list(units.values())


if __name__ == "__main__":
    main()
