#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_replication_info
short_description: How a PostgreSQL cluster stands in its replication
version_added: 0.1.0
description:
  - Asks the local cluster, as V(postgres) through the local socket, whether it is a primary or a standby, who follows it
    and how far behind, which slots it keeps, and on which timeline it is.
  - Answers on a host without PostgreSQL too (RV(state=absent)), so a play can plan before anything is installed.
  - Can wait, outside check mode, until WAL flows; the error then says what was found instead.
options:
  wait_for_upstream:
    description: Wait until this standby receives WAL from its primary.
    type: bool
    default: false
  wait_for_standbys:
    description: Wait until one of these followers (application names) streams from this server.
    type: list
    elements: str
    default: []
  wait_until_answering:
    description:
      - Wait while the server starts, and answer V(starting) when it still does. A standby may do so for ever, when it lacks WAL that only a
        primary had that is gone.
    type: bool
    default: false
  wait_s:
    description: Seconds to wait at most.
    type: int
    default: 60
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Ask how replication stands
  hft.ops.pg_replication_info:
  register: replication

- name: Refuse when a standby is more than 16 MiB behind
  ansible.builtin.assert:
    that: replication.standbys | selectattr('lag_bytes', 'gt', 16777216) | length == 0
"""

RETURN = r"""
state:
  description:
    - V(absent) no data directory; V(fresh) created and never started; V(stopped); V(starting) not answering yet;
      V(primary); V(standby).
  returned: always
  type: str
  sample: primary
managed_by:
  description: V(patroni) where Patroni starts, stops and promotes this cluster, otherwise empty.
  returned: always
  type: str
standby_signal:
  description: Whether the data directory is marked as a standby's, also when the server is stopped.
  returned: always
  type: bool
system_identifier:
  description: Identifier that a primary and its standbys share; empty when the server does not answer.
  returned: always
  type: str
timeline:
  description: Timeline that the server is on; a promotion raises it. 0 when the server does not answer.
  returned: always
  type: int
server_version:
  description: Version of the running server.
  returned: always
  type: str
data_checksums:
  description: Whether pages carry checksums; false when the server does not answer.
  returned: always
  type: bool
synchronous_standby_names:
  description: The synchronous set in force; empty when commits wait for nobody.
  returned: always
  type: str
standbys:
  description: Those that follow this server now.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The follower's application name.
      type: str
    address:
      description: Address it connects from.
      type: str
    state:
      description: V(streaming) when it keeps up.
      type: str
    sync_state:
      description: V(quorum) or V(sync) when commits may wait for it, V(async) or V(potential) otherwise.
      type: str
    lag_bytes:
      description: Bytes of WAL that this server has and the follower has not replayed.
      type: int
    flush_lag_bytes:
      description: Bytes of WAL that this server has and the follower has not flushed.
      type: int
    lag_seconds:
      description: Time from a commit here to its replay there, as last measured; 0 when nothing is under way.
      type: float
slots:
  description: Replication slots of this server.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the slot.
      type: str
    active:
      description: Whether a follower uses it now.
      type: bool
    wal_status:
      description: V(reserved), V(extended), V(unreserved) or V(lost); V(lost) needs a new base backup.
      type: str
    retained_bytes:
      description: Bytes of WAL kept for it.
      type: int
follows:
  description: Host whom this standby is told to follow, whether a connection stands or not; empty when it is cut off, and on a primary.
  returned: always
  type: str
upstream:
  description: Whom this standby follows; empty on a primary and while no connection stands.
  returned: always
  type: dict
  contains:
    host:
      description: Host of the sender.
      type: str
    port:
      description: Port of the sender.
      type: int
    slot:
      description: Slot in use.
      type: str
    status:
      description: V(streaming) when WAL arrives.
      type: str
    replay_lag_bytes:
      description: Bytes received and not replayed.
      type: int
    silent_seconds:
      description: Seconds since the sender was last heard.
      type: float
    agreed:
      description: Whether the connection has stood for a second. One whose log has parted from the sender's begins another every moment.
      type: bool
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    CLUSTER_ARGUMENTS,
    PRIMARY,
    STANDBY,
    STARTING,
    STREAMS,
    TIMELINE,
    Cluster,
    psycopg2,
    rows,
    settings_of,
)

_SERVER = """
SELECT s.system_identifier::text AS system_identifier, @timeline@ AS timeline,
       current_setting('server_version') AS server_version,
       current_setting('data_checksums')::boolean AS data_checksums,
       current_setting('synchronous_standby_names') AS synchronous_standby_names
FROM pg_control_system() s
""".replace("@timeline@", TIMELINE)
# A cascading standby sends what it has received.
_STANDBYS = """
SELECT application_name AS name, coalesce(host(client_addr), 'local') AS address, state, sync_state,
       coalesce(pg_wal_lsn_diff(here.lsn, replay_lsn), 0)::bigint AS lag_bytes,
       coalesce(pg_wal_lsn_diff(here.lsn, flush_lsn), 0)::bigint AS flush_lag_bytes,
       coalesce(extract(epoch FROM replay_lag), 0)::float8 AS lag_seconds
FROM pg_stat_replication,
     LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn) here
WHERE state <> 'backup'
ORDER BY application_name
"""
_SLOTS = """
SELECT slot_name AS name, active, coalesce(wal_status, '') AS wal_status,
       coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                                restart_lsn), 0)::bigint AS retained_bytes
FROM pg_replication_slots ORDER BY slot_name
"""
_UPSTREAM = """
SELECT sender_host AS host, sender_port AS port, coalesce(slot_name, '') AS slot, status,
       coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint AS replay_lag_bytes,
       extract(epoch FROM now() - last_msg_receipt_time)::float8 AS silent_seconds,
       pid IN (@streams@) AS agreed
FROM pg_stat_wal_receiver
""".replace("@streams@", STREAMS)


def information(cluster: Cluster) -> dict[str, Any]:
    """Everything under RETURN."""
    found: dict[str, Any] = {
        "state": cluster.state(), "standby_signal": cluster.standby_signal, "system_identifier": "", "timeline": 0,
        "server_version": "", "data_checksums": False, "synchronous_standby_names": "", "standbys": [], "slots": [], "follows": "",
        "upstream": {}, "managed_by": cluster.managed_by,
    }
    if found["state"] in (PRIMARY, STANDBY):
        with cluster.session() as cursor:
            found.update(rows(cursor, _SERVER)[0])
            found["standbys"] = rows(cursor, _STANDBYS)
            found["slots"] = rows(cursor, _SLOTS)
            if found["state"] == STANDBY:
                conninfo = settings_of(cursor, "primary_conninfo")["primary_conninfo"]
                found["follows"] = psycopg2.extensions.parse_dsn(conninfo).get("host", "")
                found["upstream"] = next(iter(rows(cursor, _UPSTREAM)), {})
    return found


def missing(found: dict[str, Any], upstream: bool, standbys: list[str]) -> str:
    """What is waited for and not there yet; empty when nothing is."""
    if upstream and not found["upstream"].get("agreed"):
        return (f"no WAL arrives at this {found['state']} (receiver: {found['upstream'].get('status', 'none')}); "
                "read PostgreSQL's log: wrong password, pg_hba.conf of the primary, lost slot or unreachable primary stand there")
    streaming = [follower["name"] for follower in found["standbys"] if follower["state"] == "streaming"]
    if standbys and not set(standbys) & set(streaming):
        return (f"none of {', '.join(standbys)} streams from this {found['state']} (streaming: {', '.join(streaming) or 'nobody'}); "
                "bring one of these standbys up first")
    return ""


def wait(cluster: Cluster, upstream: bool, standbys: list[str], answering: bool, wait_s: float) -> dict[str, Any]:
    """The information as soon as all is as asked."""
    deadline = time.monotonic() + wait_s
    while True:
        found = information(cluster)
        if answering and found["state"] == STARTING and time.monotonic() < deadline:
            time.sleep(0.2)
            continue
        problem = missing(found, upstream, standbys)
        if not problem:
            return found
        if time.monotonic() > deadline:
            raise HostError(f"{cluster.unit}: after {wait_s:.0f} s {problem}")
        time.sleep(0.2)


def main() -> None:
    arguments = {
        "wait_for_upstream": {"type": "bool", "default": False},
        "wait_for_standbys": {"type": "list", "elements": "str", "default": []},
        "wait_until_answering": {"type": "bool", "default": False},
        "wait_s": {"type": "int", "default": 60},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    try:
        if module.check_mode:
            found = information(cluster)
        else:
            found = wait(cluster, given["wait_for_upstream"], given["wait_for_standbys"], given["wait_until_answering"], given["wait_s"])
        module.exit_json(changed=False, **found)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))


if __name__ == "__main__":
    main()
