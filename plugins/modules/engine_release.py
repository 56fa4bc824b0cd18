#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_release
short_description: Install immutable releases of a program and switch between them
version_added: 0.1.0
description:
  - With O(state=installed) brings one release to C(home/releases/version). The archive is sent only when it is needed, its sha256 is
    verified on the host before it is unpacked, and the directory appears by one rename.
  - A manifest with the sha256 of every file stays in the release and is read back on every run. Files that were changed, added or removed
    by hand are named and mended from the archive, one rename a file.
  - With O(state=current) switches the C(current) link to an installed release, keeps the compatibility links through it, and removes old
    releases; never the wanted one, the one that was current, or one that a process runs.
  - Asks the running engine before anything would change, and refuses while it holds a lease (O(guard)).
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  state:
    description: V(installed) brings the release beside the others; V(current) switches to it.
    type: str
    choices: [installed, current]
    default: installed
  program:
    description: Name of the program. The archive holds one folder C(program-version) with C(bin/program) in it.
    type: str
    required: true
  version:
    description: Version of the release, for example V(0.1.0+0a1b2c3d).
    type: str
    required: true
  home:
    description: Directory that holds C(releases) and the links.
    type: path
    required: true
  archive:
    description: The release as C(tar.gz), a path on the control node or an C(http), C(https) or C(file) URL that the host itself fetches.
    type: str
  sha256:
    description:
      - sha256 of the archive in lower case hex.
      - May be empty with O(state=current), which unpacks nothing, and in check mode, when the archive is not built yet.
    type: str
    default: ''
  keyring:
    description:
      - Public keys on the control node, as C(gpg --export) writes them. One of them must have signed the archive, in a file of its name and
        C(.asc) beside it, before the archive is sent anywhere.
      - Empty asks for no signature. With one the archive is a path, as a host that fetches by itself sees no signature.
    type: str
    default: ''
  directories:
    description: More directories of the program, held with owner, group and mode; with O(state=installed).
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: User that owns it., type: str, required: true}
      group: {description: Its group., type: str, required: true}
      mode: {description: 'Permission bits in octal, for example V("0755").', type: str, required: true}
  links:
    description: Names in O(home) that lead through C(current), for example V(bin) to C(current/bin); held with O(state=current).
    type: list
    elements: str
    default: []
  keep:
    description: How many releases stay on the host, the current one counted; at least 2, so that there is one to go back to.
    type: int
    default: 3
  guard:
    description: The engine that must not be disturbed while it holds a lease. Left out for programs that hold none.
    type: dict
    suboptions:
      service: {description: systemd unit that runs the engine., type: str, required: true}
      config: {description: Configuration of the running engine; tells where its API listens., type: path, required: true}
      api_token: {description: Token with the scope read for its API; not needed where it has none., type: str}
      allow_disruption: {description: Change a trading engine all the same., type: bool, default: false}
  received:
    description: Where the archive lies on the host; set by the action plugin of this module alone.
    type: path
notes:
  - The path of O(archive) is read by an action plugin on the control node. Without it (plain module) use a URL.
seealso:
  - module: hft.ops.engine_config
  - module: hft.ops.engine_build
"""

EXAMPLES = r"""
- name: Every file of an installed release is as its manifest says, or what differs
  hft.ops.engine_release:
    program: hft_system
    version: 0.1.0+0a1b2c3d
    home: /opt/hft_system
  check_mode: true

- name: Release beside the running one
  hft.ops.engine_release:
    program: hft_system
    version: 0.1.0+0a1b2c3d
    home: /opt/hft_system
    archive: build/releases/hft_system-0.1.0+0a1b2c3d.tar.gz
    sha256: 3f1c1b0d5c1e7f0e5d3b0a9f0d7c6b5a49382716f5e4d3c2b1a0f9e8d7c6b5a4

- name: Switch to it
  hft.ops.engine_release:
    state: current
    program: hft_system
    version: 0.1.0+0a1b2c3d
    home: /opt/hft_system
    links: [bin, lib, migrations]
    keep: 3
"""

RETURN = r"""
path:
  description: Directory of the release.
  returned: success
  type: str
needs_archive:
  description: True when the archive has to be sent before the host can go on; the action plugin acts on it.
  returned: success
  type: bool
archive_sha256:
  description: sha256 of the archive that the release came from, by its manifest as it was found; null where there is none.
  returned: success
  type: str
current:
  description: Version that C(current) led to when the host was asked; empty where it leads nowhere.
  returned: success
  type: str
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: success
  type: list
  elements: dict
"""

import os
import re
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.hft.ops.plugins.module_utils._engine_folder import plan_folder
from ansible_collections.hft.ops.plugins.module_utils._engine_guard import GUARD_SPEC, refuse_disruption
from ansible_collections.hft.ops.plugins.module_utils._engine_release import Release, current_release, plan_link, plan_retention
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan

URLS = ("http://", "https://", "file://")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["installed", "current"], "default": "installed"},
            "program": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "home": {"type": "path", "required": True},
            "archive": {"type": "str"},
            "sha256": {"type": "str", "default": ""},
            "keyring": {"type": "str", "default": "", "no_log": False},
            "directories": {
                "type": "list", "elements": "dict", "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "owner": {"type": "str", "required": True},
                    "group": {"type": "str", "required": True},
                    "mode": {"type": "str", "required": True},
                },
            },
            "links": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "default": 3},
            "guard": GUARD_SPEC,
            "received": {"type": "path"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    plan = Plan(module.check_mode)
    try:
        result = apply(module, Host(), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


def apply(module: AnsibleModule, host: Host, plan: Plan) -> dict:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    wanted = module.params
    _refuse_bad_input(wanted, module.check_mode)
    release = Release(host, wanted["home"], wanted["program"], wanted["version"])
    found = {"path": release.path, "archive_sha256": release.origin, "current": current_release(host, wanted["home"])}
    needs_archive = False
    if wanted["state"] == "installed":
        missing = release.differences(wanted["sha256"])
        needs_archive = bool(missing) and not wanted["received"] and not (wanted["archive"] or "").startswith(URLS)
        _plan_installed(module, host, plan, release, missing)
    else:
        _plan_current(wanted, host, plan, release, module.check_mode)
    refuse_disruption(wanted["guard"], plan, host, module.run_command)
    if needs_archive and not module.check_mode:
        module.exit_json(changed=False, **found, needs_archive=True, differences=[])
    plan.run()
    return {**found, "needs_archive": needs_archive}


def _refuse_bad_input(wanted: dict, check_mode: bool) -> None:
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_~-]*", wanted["version"]):
        raise HostError(f"version {wanted['version']!r}: expected letters, digits and .+_~- alone, as in 0.1.0+0a1b2c3d")
    needed = wanted["sha256"] or not (check_mode or wanted["state"] == "current")
    if needed and not re.fullmatch(r"[0-9a-f]{64}", wanted["sha256"]):
        raise HostError(f"sha256 {wanted['sha256']!r}: expected 64 digits of lower case hex, as sha256sum prints them")
    if wanted.get("keyring") and (wanted["archive"] or "").startswith(URLS):
        raise HostError(f"archive {wanted['archive']}: expected a path on the control node, where its signature can be verified (keyring)")
    if wanted["keep"] < 2:
        raise HostError(f"keep {wanted['keep']}: expected at least 2, the current release and one to go back to")


def _plan_installed(module: AnsibleModule, host: Host, plan: Plan, release: Release, missing: list) -> None:
    wanted = module.params
    for folder in wanted["directories"]:
        plan_folder(plan, host, folder["path"], int(folder["mode"], 8), folder["owner"], folder["group"])
    if not missing:
        return
    new = not release.exists

    def install() -> None:
        if wanted["received"]:
            release.install(wanted["received"], wanted["sha256"])
            return
        with tempfile.TemporaryDirectory() as scratch:
            release.install(_fetch(wanted["archive"], scratch), wanted["sha256"])

    plan.change(*missing, write=install, undo=release.remove if new else None)


def _plan_current(wanted: dict, host: Host, plan: Plan, release: Release, check_mode: bool) -> None:
    if not release.exists and not check_mode:
        raise HostError(f"release {wanted['version']}: is not in {wanted['home']}/releases; install it first (state: installed)")
    plan_retention(plan, host, wanted["home"], wanted["program"], wanted["keep"], wanted["version"])
    plan_link(plan, host, f"{wanted['home']}/current", f"releases/{wanted['version']}")
    for name in wanted["links"]:
        plan_link(plan, host, f"{wanted['home']}/{name}", f"current/{name}")


def _fetch(url: str, scratch: str) -> str:
    path = os.path.join(scratch, "archive.tar.gz")
    try:
        with open_url(url, timeout=60) as source, open(path, "wb") as out:
            shutil.copyfileobj(source, out)
    except Exception as wrong:  # urllib, ssl and http.client each have their own
        raise HostError(f"archive {url}: cannot be fetched ({wrong}); check the mirror from this host") from wrong
    return path


if __name__ == "__main__":
    main()
