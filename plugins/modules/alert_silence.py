#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_silence
short_description: Silence alerts at Alertmanager for a while, and end that again
version_added: 0.1.0
description:
  - A silence is known by its comment and its matchers. One that is there and lasts at least half of O(duration_s) is left alone, one that
    ends sooner is prolonged.
  - Runs on the control node. In check mode Alertmanager is asked and nothing is silenced.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.control_node, hft.ops.attributes]
attributes:
  check_mode:
    support: full
    description: Asks Alertmanager and returns what a run would do.
  idempotent:
    support: full
    description: A second run with the same input changes nothing, until half of the time is over.
options:
  url:
    description: Address of Alertmanager, http or https.
    type: str
    required: true
  state:
    description: Whether the silence lasts; V(absent) ends every one with this comment, whatever its matchers.
    type: str
    choices: [present, absent]
    default: present
  comment:
    description: Why, and by what it is found again, such as the id of a deployment. At least three characters.
    type: str
    required: true
  matchers:
    description:
      - Which alerts, as C(NAME=VALUE), C(NAME!=VALUE), C(NAME=~REGEX) or C(NAME!~REGEX), all of them at once. Required with
        O(state=present).
      - At least one must be C(=) or C(=~) with something in it, so that no silence takes everything.
    type: list
    elements: str
    default: []
  created_by:
    description: Who.
    type: str
    default: hft.ops
  duration_s:
    description: Seconds that it lasts from now, 1 to 86400. It ends by itself, whatever becomes of the run.
    type: int
    default: 600
  username:
    description: For basic authentication.
    type: str
  password:
    description: For basic authentication.
    type: str
  token:
    description: Bearer token.
    type: str
  ca:
    description: File with the certificates that may have signed that of Alertmanager; those of the system when left out.
    type: path
  timeout_s:
    description: Seconds after which Alertmanager is not waited for, 0.1 to 60.
    type: float
    default: 5
"""

EXAMPLES = r"""
- name: No warnings of the two engines while trading moves
  hft.ops.alert_silence:
    url: http://hft-mon-01:9093
    comment: cutover-7
    matchers: ['severity!=critical', 'host=~hft-prod-01|hft-prod-02']
    duration_s: 900
  delegate_to: localhost

- name: All alerts again
  hft.ops.alert_silence:
    url: http://hft-mon-01:9093
    comment: cutover-7
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
silences:
  description: Ids of the silences that last, or that were ended.
  returned: success
  type: list
  elements: str
"""

import re
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._alertmanager import Alertmanager, AlertmanagerError

_MATCHER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(=~|!~|!=|=)(.*)", re.DOTALL)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "comment": {"type": "str", "required": True},
            "matchers": {"type": "list", "elements": "str", "default": []},
            "created_by": {"type": "str", "default": "hft.ops"},
            "duration_s": {"type": "int", "default": 600},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "token": {"type": "str", "no_log": True},
            "ca": {"type": "path"},
            "timeout_s": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
        required_together=[("username", "password")],
    )
    given = module.params
    wrong = wrong_input(given)
    if wrong:
        module.fail_json(msg=wrong)
    there = Alertmanager(given["url"], given["timeout_s"], *(given[key] or "" for key in ("username", "password", "token", "ca")))
    try:
        result = apply(given, there, datetime.now(timezone.utc), module.check_mode)
    except AlertmanagerError as why:
        module.fail_json(msg=str(why))
    module.exit_json(**result)


def wrong_input(given: dict[str, Any]) -> str:
    """What makes no sense, in one line; empty when all does."""
    wrong = []
    if urlsplit(given["url"]).scheme not in ("http", "https") or not urlsplit(given["url"]).hostname:
        wrong.append(f"url {given['url']}: expected http://HOST:PORT or https://HOST:PORT")
    if len(given["comment"].strip()) < 3:
        wrong.append(f"comment {given['comment']!r}: expected at least three characters, by which the silence is found again")
    if not 1 <= given["duration_s"] <= 86400:
        wrong.append(f"duration_s {given['duration_s']}: expected 1 to 86400")
    if not 0.1 <= given["timeout_s"] <= 60:
        wrong.append(f"timeout_s {given['timeout_s']:g}: expected 0.1 to 60")
    wrong += [f"matchers: {one}: expected NAME=VALUE, NAME!=VALUE, NAME=~REGEX or NAME!~REGEX" for one in given["matchers"]
              if not _MATCHER.fullmatch(one)]
    if not wrong and given["state"] == "present" and not any(_narrows(one) for one in matchers(given["matchers"])):
        wrong.append("matchers: at least one must be NAME=VALUE or NAME=~REGEX that does not fit everything")
    return "; ".join(wrong)


def matchers(texts: list[str]) -> list[dict[str, Any]]:
    """In the form of Alertmanager's API, in a stable order."""
    found = [_MATCHER.fullmatch(text) for text in texts]
    made = [{"name": one.group(1), "value": one.group(3),
             "isRegex": one.group(2).endswith("~"), "isEqual": not one.group(2).startswith("!")} for one in found if one]
    return sorted(made, key=lambda one: (one["name"], one["value"]))


def _narrows(matcher: dict[str, Any]) -> bool:
    return bool(matcher["isEqual"] and matcher["value"] and not (matcher["isRegex"] and re.fullmatch(r"[.*+?()|^$]*", matcher["value"])))


def apply(given: dict[str, Any], there: Alertmanager, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Silence or end it; outside check mode."""
    known = [one for one in there.silences() if one.get("comment") == given["comment"] and one["status"]["state"] != "expired"]
    if given["state"] == "absent":
        for one in known if not check_mode else []:
            there.expire(one["id"])
        return {"changed": bool(known), "silences": [one["id"] for one in known]}
    wanted = matchers(given["matchers"])
    same = [one for one in known if _alike(one["matchers"]) == wanted]
    lasting = [one for one in same if _time(one["endsAt"]) >= now + timedelta(seconds=given["duration_s"] / 2)]
    if lasting:
        return {"changed": False, "silences": [lasting[0]["id"]]}
    if check_mode:
        return {"changed": True, "silences": []}
    made = there.silence({
        **({"id": same[0]["id"]} if same else {}),
        "matchers": wanted, "comment": given["comment"], "createdBy": given["created_by"],
        "startsAt": same[0]["startsAt"] if same else now.isoformat(),
        "endsAt": (now + timedelta(seconds=given["duration_s"])).isoformat(),
    })
    return {"changed": True, "silences": [made]}


def _alike(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Matchers as Alertmanager returns them, where isEqual may be left out."""
    made = [{"name": one["name"], "value": one["value"], "isRegex": one["isRegex"], "isEqual": one.get("isEqual", True)} for one in found]
    return sorted(made, key=lambda one: (one["name"], one["value"]))


def _time(text: str) -> datetime:
    """Of Alertmanager, which writes as many digits of a second as it has."""
    return datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", lambda found: found.group(1).ljust(7, "0"), text).replace("Z", "+00:00"))


if __name__ == "__main__":
    main()
