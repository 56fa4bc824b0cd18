# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over what every member of a database cluster said (pg_replication_info): who is to be the primary, and whether that may be."""

from __future__ import annotations

import re

from ansible_collections.hft.ops.plugins.module_utils._postgres_synchronous import lsn, parse

# A taker farther behind would make the move as long as it takes to catch up.
_LAG_LIMIT_BYTES = 16 << 20
_NOTHING: dict = {"error": "", "say": "", "primary": "", "taker": "", "others": [], "members": [], "system_identifier": "", "move": False,
                  "packages": [], "behind": [], "takers": [], "managed": False, "synchronous": []}


def database_switchover(answers: dict, wanted: str = "") -> dict:
    """A planned move: primary, taker, others and the system's identifier; error is set when it must not be begun."""
    return _decision(_switchover, answers, wanted)


def database_failover(answers: dict, wanted: str = "", former: str = "") -> dict:
    """An unplanned one: former primary, members to cut off; the taker is named now or chosen after the cut."""
    return _decision(_failover, answers, wanted, former)


def database_cut(answer: dict) -> dict:
    """Of an answer of step detach what step promote is given."""
    return {key: answer[key] for key in ("name", "timeline", "flushed_lsn")}


def database_taker(cuts: list, wanted: str = "") -> str:
    """The member that has flushed the most, of what step detach answered; a wanted one wins among equals."""
    best = max(cuts, key=lambda one: (one["timeline"], lsn(one["flushed_lsn"]), one["name"] == wanted, one["name"]))
    return best["name"]


def database_rejoin(answers: dict, wanted: list | None = None) -> dict:
    """The primary, and the outdated members that are to follow it."""
    return _decision(_rejoin, answers, wanted or [])


def database_primary(answers: dict) -> str:
    """The member that is the primary; empty where not exactly one says so."""
    primaries = [host for host, answer in answers.items() if _answered(answer)["state"] == "primary"]
    return primaries[0] if len(primaries) == 1 else ""


def database_rows(answers: dict) -> list:
    """One row a member, for people."""
    rows = []
    # The sender knows what a follower lacks; the follower itself does not know what it was not sent.
    lags = {one["name"]: one["lag_bytes"] for answer in answers.values() for one in _answered(answer).get("standbys", [])}
    for host, answer in sorted(answers.items()):
        one = _answered(answer)
        lag = lags.get(host)
        rows.append({"member": host, "state": one["state"], "timeline": one.get("timeline", ""), "follows": one.get("follows", ""),
                     "lag": f"{lag} bytes" if lag is not None else one.get("why", "")})
    return rows


def database_upgrade(answers: dict, versions: dict) -> dict:
    """The order of an upgrade to what the package sources offer; versions: what pg_version_info said of each member."""
    return _decision(_upgrade, answers, versions)


def database_degrade(answers: dict, end: bool = False, lost: list | None = None) -> dict:
    """The primary that is to acknowledge alone, or to hold again, and the members that answer."""
    return _decision(_degrade, answers, end, lost or [])


def database_leave(answers: dict, host: str, returns: bool = False) -> dict:
    """Whether a member may leave the cluster, and the synchronous set without it; returns: other metal comes back under its name."""
    if host not in answers:
        return {**_NOTHING, "say": f"{host} is no member of the database"}
    return _decision(_leave, answers, host, returns)


def database_followers(hosts: list, hostvars: dict, upstream: str = "") -> list:
    """Those that follow this standby (timescaledb_upstream_host); of none: those that take part in a change of primary."""
    own = {host: hostvars[host].get("timescaledb_upstream_host") or "" for host in hosts if host in hostvars}
    return [host for host in hosts if own.get(host, "") == upstream]


class _Refused(Exception):
    """One line for the operator."""


def _decision(decide, answers: dict, *wishes: object) -> dict:
    try:
        if not answers:
            raise _Refused("no host was asked: expected the members of a cluster in the group timescaledb of the inventory (-i), or in the "
                           "one that -e database_hosts=GROUP names")
        answered = {host: _answered(one) for host, one in answers.items()}
        found = decide(answered, *wishes)
    except _Refused as refused:
        return {**_NOTHING, "error": str(refused)}
    return {**_NOTHING, "move": True, "managed": _managed(answered), **found}


def _answered(one: dict | None) -> dict:
    """An answer; what did not answer counts as silent."""
    one = one or {}
    return one if "state" in one else {"state": "silent", "why": one.get("msg", "host cannot be reached")}


def _managed(answers: dict) -> bool:
    """Patroni decides, and is asked."""
    return any(one.get("managed_by") == "patroni" for one in answers.values())


def _of(answers: dict, *states: str) -> list:
    return sorted(host for host, one in answers.items() if one["state"] in states)


def _the_primary(answers: dict) -> str:
    primaries = _of(answers, "primary")
    if len({answers[host]["system_identifier"] for host in primaries}) > 1:
        said = ", ".join(f"{host} (system {answers[host]['system_identifier']})" for host in primaries)
        raise _Refused(f"primaries of different clusters: {said}; name the members of one region, such as -e database_hosts=REGION")
    if len(primaries) > 1:
        said = ", ".join(f"{host} (timeline {answers[host]['timeline']})" for host in primaries)
        raise _Refused(f"two primaries: {said}; bring the outdated one back with the playbook database_rejoin, or stop it")
    if not primaries:
        said = ", ".join(f"{host} is {one['state']}" for host, one in sorted(answers.items()))
        raise _Refused(f"no primary answers: {said}; if it is lost, run the playbook database_failover")
    return primaries[0]


def _one_system(answers: dict, hosts: list) -> str:
    systems = {answers[host]["system_identifier"]: host for host in hosts}
    if len(systems) > 1:
        said = ", ".join(f"{host} is system {system}" for system, host in sorted(systems.items()))
        raise _Refused(f"members of different clusters: {said}; name the members of one cluster (database_hosts)")
    return next(iter(systems))


def _known(answers: dict, wanted: str, variable: str) -> None:
    if wanted and wanted not in answers:
        raise _Refused(f"{variable}={wanted}: no such member; one of {', '.join(sorted(answers))}")


def _switchover(answers: dict, wanted: str) -> dict:
    _known(answers, wanted, "database_to")
    primary = _the_primary(answers)
    now = answers[primary]
    if wanted == primary:
        return {"primary": primary, "move": False, "say": f"{primary} is the primary already"}
    standbys = _of(answers, "standby")
    system = _one_system(answers, [primary, *standbys])
    streams = {one["name"]: one for one in now["standbys"] if one["state"] == "streaming" and one["sync_state"] in ("quorum", "sync")}
    fit = [host for host in standbys if host in streams]
    if wanted and wanted not in fit:
        at = f"is {answers[wanted]['state']}" if wanted not in standbys else "does not stream as a synchronous standby"
        raise _Refused(f"{wanted}: {at}; the taker must be one of {', '.join(fit) or 'nobody: bring a synchronous standby up first'}")
    if not fit:
        raise _Refused(f"{primary}: no synchronous standby streams from it; bring one up first")
    taker = wanted or min(fit, key=lambda host: (streams[host]["lag_bytes"], host))
    lag = streams[taker]["lag_bytes"]
    if lag > _LAG_LIMIT_BYTES:
        raise _Refused(f"{taker}: is {lag} bytes behind, {_LAG_LIMIT_BYTES} are allowed; wait until it has caught up")
    # To a newer minor version is how an upgrade goes on; the giver is upgraded next.
    if _version(answers[taker]) < _version(now):
        raise _Refused(f"{taker}: runs PostgreSQL {answers[taker]['server_version']}, {primary} {now['server_version']}; bring it to that "
                       "version first (playbook database_upgrade)")
    others = [host for host in standbys if host != taker]
    silent = _of(answers, "silent")
    if not _managed(answers):  # Patroni makes the set of a new leader
        _a_set_after(answers, taker, [primary, *others])
    return {"primary": primary, "taker": taker, "others": others, "members": [primary, taker, *others], "system_identifier": system,
            "say": f"from {primary} to {taker}, {lag} bytes behind" + (f"; silent: {', '.join(silent)}" if silent else "")}


def _version(answer: dict) -> list:
    """17.6 (Debian 17.6-1) is [17, 6]."""
    return [int(part) for part in answer["server_version"].split(" ")[0].split(".") if part.isdigit()]


def _a_set_after(answers: dict, taker: str, followers: list) -> None:
    """The taker's own set must have somebody to acknowledge its commits."""
    names = parse(answers[taker]["synchronous_standby_names"]).without(taker).names
    if not set(names) & set(followers):
        raise _Refused(f"{taker}: its synchronous set is \"{answers[taker]['synchronous_standby_names']}\", none of which would follow it, "
                       "so every commit would wait for ever; set timescaledb_synchronous_hosts to all members and run site.yml first")


def _failover(answers: dict, wanted: str, former: str) -> dict:
    _known(answers, wanted, "database_to")
    _known(answers, former, "database_former_primary")
    primaries = _of(answers, "primary")
    if primaries:
        raise _Refused(f"{primaries[0]}: is a running primary; move it with the playbook database_switchover, or stop it first if it must "
                       "not be trusted (systemctl stop postgresql)")
    standbys = _of(answers, "standby")
    if _managed(answers):
        return {"members": standbys or _of(answers, "starting"),
                "say": "Patroni elects the member that has every acknowledged commit; it is waited for"}
    if not standbys:
        raise _Refused("no standby answers: there is nothing to promote; bring one up, or restore a backup (playbook database_restore)")
    if wanted and wanted not in standbys:
        raise _Refused(f"{wanted}: is {answers[wanted]['state']}; the new primary must be one of {', '.join(standbys)}")
    system = _one_system(answers, standbys)
    named = {answers[host].get("follows") for host in standbys} & set(answers)
    away = sorted(set(answers) - set(standbys))
    lost = former or (named.pop() if len(named) == 1 else away[0] if len(away) == 1 else "")
    if not lost:
        raise _Refused(f"who was the primary cannot be told ({', '.join(away) or 'nobody'} away); say so: -e database_former_primary=NAME")
    return {"primary": lost, "taker": wanted, "members": standbys, "system_identifier": system,
            "say": f"{lost} is lost; {', '.join(standbys)} will be cut off from it"}


def _rejoin(answers: dict, wanted: list) -> dict:
    for one in wanted:
        _known(answers, one, "database_rejoin")
    primaries = sorted(_of(answers, "primary"), key=lambda host: answers[host]["timeline"])
    if not primaries:
        raise _Refused("no primary answers; run the playbook database_failover first")
    if len({answers[host]["timeline"] for host in primaries[-2:]}) < len(primaries[-2:]):
        raise _Refused(f"two primaries on the same timeline: {', '.join(primaries)}; stop the one that is not to be, then run again")
    primary = primaries[-1]
    # One whose log has parted from the primary's knocks again and again, and is sent away each time.
    followers = {one["name"] for one in answers[primary]["standbys"] if one["state"] in ("streaming", "catchup")}
    others = wanted or sorted((set(_of(answers, "stopped", "standby", "primary")) - {primary}) - followers)
    if primary in others:
        raise _Refused(f"database_rejoin: {primary} is the primary; name the outdated members")
    starting = sorted(set(_of(answers, "starting")) - followers)
    if starting and not wanted:
        raise _Refused(f"{starting[0]}: starts and does not answer; read PostgreSQL's log. Where it waits for WAL of a primary that is "
                       "gone, stop it (systemctl stop postgresql) and run this again: it is wound back then")
    say = f"{', '.join(others)} will follow {primary}" if others else f"every member that answers follows {primary} already"
    return {"primary": primary, "others": others, "members": [primary, *others], "say": say, "move": bool(others),
            "system_identifier": answers[primary]["system_identifier"]}


def _upgrade(answers: dict, versions: dict) -> dict:
    primary = _the_primary(answers)
    away = [host for host in sorted(answers) if answers[host]["state"] not in ("primary", "standby")]
    if away:
        stands = answers[away[0]]["state"]
        raise _Refused(f"{away[0]}: is {stands}; every member must have the new library before the extension is "
                       "updated: bring it up, or take it out of the inventory")
    standbys = _of(answers, "standby")
    system = _one_system(answers, [primary, *standbys])
    streaming = {one["name"] for answer in answers.values() for one in answer["standbys"] if one["state"] == "streaming"}
    cut = [host for host in standbys if host not in streaming]
    if cut:
        raise _Refused(f"{cut[0]}: streams from nobody; bring it back first (playbook database_rejoin)")
    offered = _one_offer({host: versions[host]["packages"] for host in [primary, *standbys]})
    behind = [host for host in [*standbys, primary] if _packages(versions[host]) != offered or versions[host]["restart_needed"]]
    synchronous = [one["name"] for one in answers[primary]["standbys"] if one["sync_state"] in ("quorum", "sync")]
    old = [(name, version) for name, version in sorted(versions[primary]["catalog"].items()) if version != versions[primary]["library"]]
    say = f"to {', '.join(f'{name} {version}' for name, version in sorted(offered.items()))}: "
    say += f"{', '.join(behind)} one after the other, then the extension" if behind else "every member has it and runs it"
    say += "".join(f"; {name} names TimescaleDB {version}" for name, version in old)
    return {"primary": primary, "others": standbys, "members": [primary, *standbys], "system_identifier": system, "say": say,
            "packages": [f"{name}={version}" for name, version in sorted(offered.items())], "behind": behind, "takers": sorted(synchronous),
            "move": bool(behind or old)}


def _degrade(answers: dict, end: bool, lost: list) -> dict:
    for one in lost:
        _known(answers, one, "database_lost")
    primary = _the_primary(answers)
    if _managed(answers):
        raise _Refused(f"{primary}: Patroni manages the cluster and holds commits while no standby is there (synchronous_mode_strict); "
                       "bring a standby back")
    others = [host for host in sorted(answers) if host != primary and answers[host]["state"] != "silent"]
    candidates = parse(answers[primary]["synchronous_standby_names"]).without(primary).names
    silent = [name for name in candidates if name not in [*others, *lost]]
    if silent and not end:
        raise _Refused(f"{silent[0]}: does not answer, so it may be promoted elsewhere while {primary} acknowledges alone; power it off "
                       f"and keep it off, and say so: -e '{{\"database_lost\": [\"{silent[0]}\"]}}'")
    say = f"{primary} waits for a standby again" if end else f"{primary} acknowledges alone"
    return {"primary": primary, "others": others, "members": [primary, *others], "say": say,
            "system_identifier": answers[primary]["system_identifier"]}


def _leave(answers: dict, host: str, returns: bool) -> dict:
    if _managed(answers):
        raise _Refused(f"{host}: Patroni manages its cluster, and etcd counts it; take it away by patronictl and etcdctl, "
                       "then out of the inventory")
    primary = _the_primary(answers)
    now = answers[primary]
    if primary == host:
        raise _Refused(f"{host}: is the database primary; move it away first (playbook database_switchover)")
    others = [one for one in _of(answers, "primary", "standby") if one != host]
    fed = sorted({one["name"] for one in answers[host].get("standbys", [])}
                 | {one for one in others if answers[one].get("follows") == host})
    if fed:
        raise _Refused(f"{host}: {', '.join(fed)} follows it; give it another timescaledb_upstream_host first, and run database.yml")
    slot = re.sub("[^a-z0-9_]", "_", host)
    if answers[host]["state"] == "silent" and any(one["name"] == slot and one["active"] for one in now.get("slots", [])):
        raise _Refused(f"{host}: does not answer, and slot {slot} on {primary} is in use, so its server still follows; power it off")
    left = [one for one in parse(now["synchronous_standby_names"]).names if one != host]
    streams = [one["name"] for one in now["standbys"] if one["state"] == "streaming" and one["sync_state"] in ("quorum", "sync")]
    if now["synchronous_standby_names"] and not returns and not set(streams) - {host}:
        raise _Refused(f"{primary}: without {host} no synchronous standby streams from it, so every commit would wait; bring one up first")
    return {"primary": primary, "others": [one for one in others if one != primary], "members": others, "synchronous": left,
            "system_identifier": now["system_identifier"], "say": f"{host} leaves the cluster of {primary}"}


def _packages(version: dict) -> dict:
    return {name: one["installed"] for name, one in version["packages"].items()}


def _one_offer(packages: dict) -> dict:
    """Of each package the one version that all members can have."""
    offered = {}
    for name in sorted(next(iter(packages.values()))):
        by_host = {host: one[name]["candidate"] or "nothing" for host, one in sorted(packages.items())}
        if len(set(by_host.values())) > 1 or "nothing" in by_host.values():
            said = ", ".join(f"{host} is offered {version}" for host, version in by_host.items())
            raise _Refused(f"{name}: {said}; members of one cluster run one version: make their package sources alike, or pin it")
        offered[name] = next(iter(by_host.values()))
    return offered


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"database_switchover": database_switchover, "database_failover": database_failover, "database_cut": database_cut,
                "database_taker": database_taker, "database_rows": database_rows, "database_rejoin": database_rejoin,
                "database_upgrade": database_upgrade, "database_degrade": database_degrade, "database_followers": database_followers,
                "database_primary": database_primary, "database_leave": database_leave}
