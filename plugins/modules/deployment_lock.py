#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_lock
short_description: One deployment at a time, by a lock in the database that ends by itself
version_added: 0.1.0
description:
  - Runs on the host of the database primary. The lock is one row of C(public.deployment_lock) (migration 010). It ends at its time by the
    database's clock, so a control node that died keeps nobody out for good.
  - V(verb=acquire) fails when somebody else holds it, with who, since when and until when, and when no synchronous standby confirmed it
    within O(wait_s). The same O(id) may acquire again, which moves the end.
  - It orders people, not engines. What may trade is decided by the leases alone, and no transfer asks for this lock.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.deployment_tables, hft.ops.postgres_cluster]
attributes:
  idempotent:
    support: partial
    details: Acquiring again moves the end; releasing and asking change nothing the second time.
options:
  verb:
    description:
      - V(acquire) takes the lock or moves its end; on the primary.
      - V(release) gives back what O(id) holds, and nothing that another holds; on the primary.
      - V(status) tells who holds it; on a standby too.
    type: str
    choices: [acquire, release, status]
    required: true
  id:
    description: Name of the deployment; not needed to ask.
    type: str
    default: ""
  who:
    description: The person, and where; needed to acquire.
    type: str
    default: ""
  expires_s:
    description: Seconds after which the lock ends by itself, 1 to 604800. Longer than the deployment can take.
    type: int
    default: 3600
  override:
    description: Reason for which it is taken from whoever holds it; empty takes it from nobody.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Nobody else deploys
  hft.ops.deployment_lock:
    verb: acquire
    id: cutover-20260131T220000
    who: alice@control-1
    expires_s: 3600

- name: The next one may
  hft.ops.deployment_lock:
    verb: release
    id: cutover-20260131T220000
"""

RETURN = r"""
lock:
  description:
    - Who holds it, with C(id), C(who), C(since) and C(expires_at) (UTC), and C(say), all that in words; empty when nobody does.
    - A lock that has ended counts as held by nobody.
  returned: success
  type: dict
former:
  description: Who held it before, as RV(lock), where it was taken over for O(override).
  returned: success
  type: dict
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_deployments import (
    DEPLOYMENTS_ARGUMENTS,
    Server,
    check_wait,
    reading,
    writing,
)

_PATH = "deployment lock"
_MOMENT = """'YYYY-MM-DD"T"HH24:MI:SS"Z"'"""
_SHOWN = f"id, who, to_char(since, {_MOMENT}) AS since, to_char(expires_at, {_MOMENT}) AS expires_at"
_STATUS = f"SELECT {_SHOWN} FROM public.deployment_lock WHERE expires_at > clock_timestamp()"  # noqa: S608
# One statement, so of two at once one gets it.
_ACQUIRE = f"""
INSERT INTO public.deployment_lock AS l (id, who, since, expires_at)
VALUES (%(id)s, %(who)s, clock_timestamp(), clock_timestamp() + %(expires_s)s * interval '1 second')
ON CONFLICT (only_one) DO UPDATE
SET id = excluded.id, who = excluded.who, expires_at = excluded.expires_at,
    since = CASE WHEN l.id = excluded.id THEN l.since ELSE excluded.since END
WHERE l.id = excluded.id OR l.expires_at <= clock_timestamp() OR %(override)s <> ''
RETURNING {_SHOWN}
"""  # noqa: S608
_RELEASE = "DELETE FROM public.deployment_lock WHERE id = %(id)s"


def check_input(given: dict[str, Any]) -> None:
    """Raise HostError with all that is wrong."""
    wrong = []
    if given["verb"] != "status" and not given["id"].strip():
        wrong.append("id: is empty; name the deployment")
    if given["verb"] == "acquire" and not given["who"].strip():
        wrong.append("who: is empty; a second operator is told who holds the lock")
    if not 1 <= given["expires_s"] <= 604_800:
        wrong.append(f"expires_s {given['expires_s']}: expected 1 to 604800")
    if wrong:
        raise HostError("; ".join(wrong))
    check_wait(given)


class Lock:
    """The lock, and what is wanted of it."""

    def __init__(self, cluster: Server, given: dict[str, Any]) -> None:
        self.cluster = cluster
        self.given = given
        self.held: dict[str, Any] = {}
        self.former: dict[str, Any] = {}

    def plan(self, plan: Plan) -> None:
        with reading(self.cluster, self.given) as cursor:
            self.held = _told(rows(cursor, _STATUS))
        mine = self.held.get("id") == self.given["id"]
        if self.given["verb"] == "acquire":
            if self.held and not mine:
                if not self.given["override"].strip():
                    raise _taken(self.held)
                self.former = self.held
            plan.change(Difference("persisted", _PATH, self.held.get("say"), f"{self.given['id']} for {self.given['expires_s']} s"),
                        write=self._acquire)
        elif self.given["verb"] == "release" and mine:
            plan.change(Difference("persisted", _PATH, self.held["say"], None), write=self._release)

    def _acquire(self) -> None:
        with writing(self.cluster, self.given) as cursor:
            got = rows(cursor, _ACQUIRE, self.given)
        if not got:  # between the look and the write
            with reading(self.cluster, self.given) as cursor:
                raise _taken(_told(rows(cursor, _STATUS)))
        self.held = _told(got)

    def _release(self) -> None:
        with writing(self.cluster, self.given) as cursor:
            cursor.execute(_RELEASE, self.given)
        self.held = {}


def _taken(by: dict[str, Any]) -> HostError:
    who = by.get("say", "it ended just now")
    return HostError(f"another deployment runs: {who}; wait for its end, or take the lock over with a reason")


def _told(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {**found[0], "say": "{id} by {who}, since {since}, until {expires_at} at the latest".format(**found[0])} if found else {}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": ["acquire", "release", "status"], "required": True},
            "id": {"type": "str", "default": ""},
            "who": {"type": "str", "default": ""},
            "expires_s": {"type": "int", "default": 3600},
            "override": {"type": "str", "default": ""},
            **DEPLOYMENTS_ARGUMENTS,
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    lock = Lock(Cluster(Host(), given["version"], given["cluster"], given["port"]), given)
    try:
        check_input(given)
        lock.plan(plan)
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(lock=lock.held, former=lock.former, **plan.result())


if __name__ == "__main__":
    main()
