# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Mounts of hugetlbfs, each a systemd mount unit that is owned as a whole."""

from __future__ import annotations

import grp
import re
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand, Systemctl, Unit, mount_unit

_FOLDER = "/etc/systemd/system"
_HEADER = "# Managed by hft.ops.hugepages as a whole: edits are removed by the next run.\n"
_UNIT = """\
[Unit]
Description=Huge pages of {size}

[Mount]
What=hugetlbfs
Where={path}
Type=hugetlbfs
Options={options}

[Install]
WantedBy=local-fs.target
"""


class Mounts:
    """All wanted mounts. absent: why a size cannot be had on this host, by size. HostError for all that is wrong with the input."""

    def __init__(self, wanted: list[dict[str, Any]], absent: dict[str, str], host: Host, run_command: RunCommand, check_mode: bool) -> None:
        self._host, self._absent = host, absent
        self._systemctl = Systemctl(run_command)
        self._wanted = wanted
        problems = [problem for mount in wanted for problem in _problems(mount, check_mode)]
        problems += [f"mounts: {path}: listed twice; keep one" for path in sorted({one["path"] for one in wanted})
                     if sum(one["path"] == path for one in wanted) > 1]
        if problems:
            raise HostError("; ".join(problems))
        self._units = {mount_unit(mount["path"]): mount for mount in wanted if mount["size"] not in absent}
        self._orphans = [name for name in host.names(_FOLDER) if name.endswith(".mount") and name not in self._units
                         and (host.read(f"{_FOLDER}/{name}") or "").startswith(_HEADER)]

    def stage(self, plan: Plan) -> None:
        found = self._systemctl.units([*self._units, *self._orphans])
        owner = self._host.system_owner
        for name, mount in self._units.items():
            text = _HEADER + _UNIT.format(size=mount["size"], path=mount["path"], options=_options(mount))
            differs = plan.file(self._host.owned_file(f"{_FOLDER}/{name}"), text, 0o644, owner, owner)
            self._stage_unit(plan, found[name], mount["path"], differs)
        for name in self._orphans:
            if found[name].running:
                plan.change(Difference("live", name, "mounted", None), write=lambda name=name: self._systemctl.do("stop", [name]),
                            undo=lambda name=name: self._systemctl.do("start", [name]))
            if found[name].enablement == "enabled":
                plan.change(Difference("persisted", name, "enabled", "disabled"),
                            write=lambda name=name: self._systemctl.do("disable", [name]),
                            undo=lambda name=name: self._systemctl.do("enable", [name]))
            plan.file(self._host.owned_file(f"{_FOLDER}/{name}"), None)
            plan.follow_up(lambda: self._systemctl.do("daemon-reload"))

    def _stage_unit(self, plan: Plan, found: Unit, path: str, differs: bool) -> None:
        name = found.name
        if found.enablement != "enabled":
            plan.change(Difference("persisted", name, found.enablement, "enabled"), write=lambda: self._systemctl.do("enable", [name]),
                        undo=lambda: self._systemctl.do("disable", [name]))
        if differs and found.running:
            plan.change(Difference("live", path, "mounted", "mounted anew"), write=lambda: self._again("restart", name))
        elif not found.running:
            plan.change(Difference("live", path, None, "mounted"), write=lambda: self._again("start", name),
                        undo=lambda: self._systemctl.do("stop", [name]))

    def _again(self, verb: str, name: str) -> None:
        self._systemctl.do("daemon-reload")
        self._systemctl.do(verb, [name])

    def items(self) -> list[Item]:
        found = self._systemctl.units(list(self._units))
        items = []
        for mount in self._wanted:
            path, wanted = mount["path"], _options(mount)
            if mount["size"] in self._absent:
                items.append(Item(path, NOT_APPLICABLE, wanted, reason=self._absent[mount["size"]]))
                continue
            name = mount_unit(path)
            filed = re.search(r"^Options=(.*)$", self._host.read(f"{_FOLDER}/{name}") or "", re.MULTILINE)
            persisted = filed[1] if filed and found[name].enablement == "enabled" else None
            live = "mounted" if found[name].running else None
            items.append(Item(path, APPLIED if persisted == wanted and live else DRIFTED, wanted, persisted, live=live))
        return items


def _options(mount: dict[str, Any]) -> str:
    options = [f"pagesize={mount['size']}", f"mode={mount['mode']}"]
    if mount["group"] is not None:
        gid = _gid(mount["group"])
        options.append(f"gid={mount['group'] if gid is None else gid}")
    return ",".join(options)


def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def _problems(mount: dict[str, Any], check_mode: bool) -> list[str]:
    path, problems = mount["path"], []
    if not re.fullmatch(r"(/[A-Za-z0-9:_.-]+)+", path) or "/." in path:
        problems.append(f"mounts: {path}: expected an absolute path of letters, digits and : _ . -")
    if not re.fullmatch(r"[0-7]{4}", mount["mode"]):
        problems.append(f"mounts: {path}: mode {mount['mode']}: expected four octal digits, such as 1770")
    # In check mode the group may be one that the run makes.
    if mount["group"] is not None and _gid(mount["group"]) is None and not check_mode:
        problems.append(f"mounts: {path}: group {mount['group']}: no such group on the host; create it first")
    return problems
