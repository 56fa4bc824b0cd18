#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_demote
short_description: Turn the PostgreSQL primary into a standby of the server that takes over
version_added: 0.1.0
description:
  - The giver's half of a planned switchover; the taker's is M(hft.ops.pg_promote) with O(hft.ops.pg_promote#module:after=clean_shutdown),
    started before.
  - Writes down whom to follow and marks the data directory as a standby's while the server still takes writes, then restarts
    it. So whatever breaks off after the stop, this host never comes back as a second primary.
  - The stop waits until every standby that streams has the last record, the shutdown checkpoint. Checkpoints beforehand make it short.
  - Refuses when the server to follow does not answer, is another system, or does not keep the slot of this host.
  - A standby that follows the right server already stays as it is.
options:
  system_identifier:
    description: Identifier of the system, as M(hft.ops.pg_replication_info) tells it. Another one is refused.
    type: str
    required: true
  drop_slots:
    description: Physical slots of the former followers, dropped once this is a standby; they would keep its log for ever.
    type: list
    elements: str
    default: []
  timeout_s:
    description: Seconds to wait for the server to answer as a standby.
    type: int
    default: 60
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_upstream, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Give the primary's place away
  hft.ops.pg_demote:
    system_identifier: "7412345678901234567"
    primary_host: hft-prod-01
    user: hft_replication
    password: "{{ replication_password }}"
    slot: hft_db_01
    application_name: hft-db-01
"""

RETURN = r"""
stopped_at:
  description: When the stop was asked for, seconds since the epoch by this host's clock; from then on nothing is written here.
  returned: when the server was demoted
  type: float
took_ms:
  description: Milliseconds from there until the server answered as a standby.
  returned: when the server was demoted
  type: float
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    CLUSTER_ARGUMENTS,
    PRIMARY,
    STANDBY,
    SUPERUSER,
    Cluster,
    first_line,
    psycopg2,
    refuse_another_system,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_following import UPSTREAM_ARGUMENTS, Following, upstream_of
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


def refuse(following: Following, given: dict[str, Any], check_mode: bool) -> None:
    """Before the first change: a wrong system here or there, or a server that would not take this one as its follower."""
    upstream = following.upstream
    with following.cluster.session() as cursor:
        own = rows(cursor, "SELECT system_identifier::text AS id FROM pg_control_system()")[0]["id"]
    refuse_another_system(following.cluster.unit, own, given["system_identifier"])
    if upstream.is_this_host():
        raise HostError(f"primary_host {upstream.host}: is this host itself; name the server that takes over")
    following.refuse_a_foreign_system(upstream.identify(given["password"]), own)
    # In check mode nobody has made it yet.
    if not check_mode and not upstream.keeps_slot(given["password"], given["slot"]):
        raise HostError(f"slot {given['slot']}: does not exist on {upstream.host}; make it there first (pg_promote, step prepare)")


def drop_slots(cluster: Cluster, names: list[str]) -> None:
    with cluster.session() as cursor:
        for row in rows(cursor, "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active"):
            if row["slot_name"] in names:
                cursor.execute("SELECT pg_drop_replication_slot(%s)", (row["slot_name"],))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "system_identifier": {"type": "str", "required": True},
            "drop_slots": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "int", "default": 60},
            **UPSTREAM_ARGUMENTS, **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    following = Following(cluster, upstream_of(given), given["slot"])
    plan = Plan(module.check_mode)
    outcome: dict[str, Any] = {}

    def checkpoint() -> None:
        # The first writes what has gathered; the second, what gathered meanwhile: the one of the shutdown has little left.
        with cluster.session() as cursor:
            cursor.execute("CHECKPOINT")
            cursor.execute("CHECKPOINT")

    def restart() -> None:
        checkpoint()
        begin = time.monotonic()
        outcome["stopped_at"] = time.time()
        Systemctl(module.run_command).do("restart", [cluster.unit])
        cluster.wait_until_answering(given["timeout_s"])
        outcome["took_ms"] = round((time.monotonic() - begin) * 1000, 1)
        drop_slots(cluster, given["drop_slots"])

    try:
        cluster.refuse_to_disturb_patroni()
        state = cluster.state()
        if state not in (PRIMARY, STANDBY):
            raise HostError(f"{cluster.unit}: is {state}, not a primary; see database_rejoin for one that died")
        if state == PRIMARY:
            refuse(following, given, module.check_mode)
            plan.file(host.owned_file(following.upstream.passfile), following.upstream.passfile_line(given["password"]), 0o600, SUPERUSER,
                      SUPERUSER, secret=True)
            settings = following.settings()
            for name, value in following.wanted.items():
                if settings.get(name) != value:
                    plan.change(Difference("persisted", name, settings.get(name) or None, value),
                                write=lambda name=name, value=value: following.write_settings({name: value}),
                                undo=lambda name=name: following.write_settings({name: settings.get(name) or ""}))
            plan.file(following.signal(), "", 0o600, SUPERUSER, SUPERUSER)
            plan.change(Difference("live", cluster.unit, "primary", f"standby of {given['primary_host']}"), write=restart)
        elif following.settings().get("primary_conninfo") != following.wanted["primary_conninfo"]:
            raise HostError(f"{cluster.unit}: is a standby already, and not of {given['primary_host']}; redirect it with pg_standby")
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **outcome, **plan.failure())
    except psycopg2.Error as why:
        module.fail_json(msg=f"{cluster.unit}: {first_line(why)}", **outcome, **plan.failure())
    module.exit_json(**outcome, **plan.result())


if __name__ == "__main__":
    main()
