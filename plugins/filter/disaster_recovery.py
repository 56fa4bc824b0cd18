# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters over a move to the recovery site and back: whether it is ready, what is to be done, and what the move cost."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._engine_status import held, killed, newest

REASON = "dr"  # what a kill of ours says, so that nobody else's is ever cleared
_NOTHING: dict = {"error": "", "say": "", "taker": "", "strategies": [], "database_from": "", "database_to": "", "planned": False,
                  "promote": False, "alone": False, "silent": [], "reached": []}
_LIMITS = {"lag_bytes": 16 << 20, "cpus": 1.0, "memory": 1.0}


class _Refused(Exception):
    """One line for the operator."""


def dr_hosts(hosts: dict) -> dict:
    """What dr_ask.yml learned, by host: {engine, database, silent, cpus, memory_mb, latched, position}.

    hosts: variables of each host, among them dr_engine, timescaledb_state, dr_latch and ansible_facts.
    """
    return {name: _host(known) for name, known in hosts.items()}


def dr_positions(hosts: dict, names: list) -> list:
    """What the engines of these hosts hold, as gates of a record, so that it is kept before anything moves."""
    return [{"gate": f"position of {one['id']}", "asked": "recorded before the move", "verdict": "pass", "reason": "",
             "found": f"{one['position']:g}, {one['open_orders']} open"}
            for status in _engines(hosts, names).values() for one in status["strategies"] if one["holder"] == status["holder"]]


def dr_readiness(hosts: dict, primary_site: list, recovery_site: list, limits: dict | None = None, more: list | None = None) -> list:
    """One row for each thing that the recovery site needs: {check, asked, found, ready}; ready is yes, NO or not asked.

    hosts: of dr_hosts; limits: lag_bytes, cpus and memory, the last two as shares of the primary site's; more: rows of whoever asks more.
    What nobody can tell is not ready.
    """
    limits = {**_LIMITS, **(limits or {})}
    here, there = _engines(hosts, recovery_site), _engines(hosts, primary_site)
    rows = [_answers(hosts, recovery_site), *(_standby(host, status) for host, status in here.items())]
    rows += [_version(here, there), _strategies(here, there), _lag(hosts, primary_site, recovery_site, limits["lag_bytes"])]
    rows += [_capacity(hosts, primary_site, recovery_site, kind, limits[share])
             for kind, share in (("cpus", "cpus"), ("memory_mb", "memory"))]
    return [*rows, *(more or [])]


def dr_decision(hosts: dict, primary_site: list, recovery_site: list, to: str = "", resume: bool = False) -> dict:
    """What a move to the recovery site has to do, by what answers; error is set where it must not be begun.

    hosts: of dr_hosts; to: host of the engine that takes over; resume: killed rows are of an earlier run.
    planned in the answer: the old primary answers and hands the database over; promote: the database has to be moved at all; alone: nobody
    is left that could acknowledge a commit of the new primary; silent: hosts of the primary site that do not answer; reached: its engines
    that do.
    """
    try:
        return {**_NOTHING, **_decide(hosts, primary_site, recovery_site, to, bool(resume))}
    except _Refused as refused:
        return {**_NOTHING, "error": str(refused)}


def dr_return(hosts: dict, primary_site: list, recovery_site: list, engine: str = "", database: str = "") -> dict:
    """What the way back has to do, by what answers; error is set where it must not be begun.

    hosts: of dr_hosts; engine, database: host of the primary site that takes trading, and the one that becomes the database primary; the
    first one where it is not named, or not of that site. degraded in the answer: the primary acknowledges alone.
    """
    nothing = {"error": "", "say": "", "engine": "", "engines": [], "database_to": "", "degraded": False}
    try:
        return {**nothing, **_return(hosts, primary_site, recovery_site, engine, database)}
    except _Refused as refused:
        return {**nothing, "error": str(refused)}


def dr_resumed(status: dict, began_ns: int) -> dict:
    """When the venue accepted the first order of the slowest strategy: {rto_s, strategies}; rto_s is None where one has none.

    status: of the engine that took over; began_ns: when the primary site was lost, by this control node's clock.
    """
    first = {one["id"]: one["accepted"]["first_venue_ns"] * (one["accepted"]["epoch"] == one["epoch"]) for one in status["strategies"]}
    after = {name: round((at - int(began_ns)) / 1e9, 3) if at else None for name, at in first.items()}
    known = bool(after) and None not in after.values()
    return {"rto_s": max(after.values()) if known else None, "strategies": after}


def _host(known: dict) -> dict:
    said = [known.get(name) or {} for name in ("dr_engine", "timescaledb_state")]
    facts = known.get("ansible_facts") or {}
    latch = (known.get("dr_latch") or {}).get("killswitch") or {}
    latches = [latch, *latch.get("strategies", [])]
    return {"engine": said[0], "database": said[1], "silent": not any("answering" in one or "state" in one for one in said),
            "cpus": facts.get("processor_vcpus", 0), "memory_mb": facts.get("memtotal_mb", 0),
            "latched": [one.get("reason") or "no reason given" for one in latches if one.get("latched")]}


def _engines(hosts: dict, names: list) -> dict:
    return {host: hosts[host]["engine"]["status"] for host in names if (hosts.get(host, {}).get("engine") or {}).get("status")}


def _member(hosts: dict, host: str) -> dict:
    return hosts.get(host, {}).get("database") or {}


def _row(check: str, asked: str, found: object, ready: bool) -> dict:
    return {"check": check, "asked": asked, "found": str(found), "ready": "yes" if ready else "NO"}


def _answers(hosts: dict, names: list) -> dict:
    silent = [host for host in names if hosts.get(host, {}).get("silent", True)]
    found = ", ".join(f"{host} is silent" for host in silent) or "they do"
    return _row("hosts", "every host of the recovery site answers", found, not silent)


def _standby(host: str, status: dict) -> dict:
    wrong = [f"kill switch latched in {where}" for where in killed(status)]
    wrong += [f"venue {one['name']} is {one['status']}" for one in status["exchanges"] if one["status"] != "connected"]
    wrong += [] if status["database"]["connected"] else ["no database"]
    asked = "sessions to every venue and to the database, with its own secrets; no kill"
    return _row(f"engine {host}", asked, "; ".join(wrong) or "stands by", not wrong)


def _version(here: dict, there: dict) -> dict:
    trades = sorted({status["version"] for status in there.values() if held(status)})
    found = sorted({status["version"] for status in here.values()})
    return _row("version", f"what trades: {', '.join(trades) or 'nobody tells'}", ", ".join(found) or "nobody tells",
                bool(trades) and found == trades)


def _strategies(here: dict, there: dict) -> dict:
    wanted = {name for name, row in newest(there).items() if row["holder"]}
    lacking = sorted(wanted - {one["id"] for status in here.values() for one in status["strategies"]})
    return _row("strategies", f"every one that is held: {', '.join(sorted(wanted)) or 'none'}",
                f"lacks {', '.join(lacking)}" if lacking else "has them", bool(wanted) and not lacking)


def _lag(hosts: dict, primary_site: list, recovery_site: list, limit: int) -> dict:
    followers = {one["name"]: one for host in [*primary_site, *recovery_site] for one in _member(hosts, host).get("standbys", [])}
    lags = {host: followers[host]["flush_lag_bytes"] for host in recovery_site
            if host in followers and followers[host]["state"] == "streaming"}
    found = ", ".join(f"{host} {lag} bytes ({followers[host]['sync_state']})" for host, lag in sorted(lags.items()))
    return _row("database", f"a member that streams, at most {limit} bytes behind", found or "nobody streams",
                bool(lags) and min(lags.values()) <= limit)


def _capacity(hosts: dict, primary_site: list, recovery_site: list, kind: str, share: float) -> dict:
    most = [max((hosts[host][kind] for host in names if hosts.get(host, {}).get("engine") and hosts[host].get(kind)), default=0)
            for names in (primary_site, recovery_site)]
    return _row(kind.replace("_mb", " (MiB)"), f"at least {share:g} of the primary site's {most[0] or 'unknown'}", most[1] or "unknown",
                all(most) and most[1] >= share * most[0])


def _decide(hosts: dict, primary_site: list, recovery_site: list, to: str, resume: bool) -> dict:
    both = sorted(set(primary_site) & set(recovery_site))
    if both:
        raise _Refused(f"{both[0]}: is in both sites (dr_from, dr_to)")
    here = _engines(hosts, recovery_site)
    taker = _taker(here, to)
    _refuse_foreign_kill(hosts, here[taker], resume)
    states = {host: _member(hosts, host).get("state", "silent") for host in [*primary_site, *recovery_site]}
    primaries = [host for host, state in states.items() if state == "primary"]
    members = [host for host in recovery_site if states[host] in ("primary", "standby")]
    if not members:
        raise _Refused("no database member of the recovery site answers: there is nothing to promote")
    if len(primaries) > 1:
        raise _Refused(f"two primaries: {', '.join(primaries)}; stop the one that must not be trusted")
    primary = next(iter(primaries), "")
    promote = primary not in members
    how = (f"the database is at {primary} already" if not promote else f"the database moves from {primary}, planned" if primary
           else "the database is promoted without its primary")
    return {"taker": taker, "strategies": sorted(one["id"] for one in here[taker]["strategies"]), "database_from": primary,
            "database_to": primary if not promote else taker if taker in members else members[0], "planned": promote and bool(primary),
            "promote": promote, "alone": sum(state in ("primary", "standby") for state in states.values()) < 2,
            "silent": sorted(host for host in primary_site if hosts.get(host, {}).get("silent", True)),
            "reached": sorted(_engines(hosts, primary_site)), "say": f"{taker} takes over; {how}"}


def _refuse_foreign_kill(hosts: dict, status: dict, resume: bool) -> None:
    """Trading that a person stopped is not started elsewhere."""
    reasons = [(host, reason) for host, known in sorted(hosts.items()) for reason in known.get("latched", [])]
    foreign = [f"{host}: {reason}" for host, reason in reasons if reason.partition(":")[0] != REASON]
    if foreign:
        raise _Refused(f"the kill switch is latched ({foreign[0]}); whoever did that clears it first (killswitch_clear.yml)")
    rows = [one["id"] for one in status["strategies"] if one["killed"]]
    if rows and not reasons and not resume:
        raise _Refused(f"the lease rows of {', '.join(rows)} are killed, and no engine that answers tells why; if an earlier run of this "
                       "playbook did that, say so: -e dr_resume=true")


def _taker(here: dict, to: str) -> str:
    taker = to or next(iter(sorted(here)), "")
    if taker not in here:
        raise _Refused(f"{taker or 'the recovery site'}: no engine answers that could take over; "
                       f"{', '.join(sorted(here)) or 'none'} of the recovery site {'do' if len(here) > 1 else 'does'}")
    away = [f"venue {one['name']} is {one['status']}" for one in here[taker]["exchanges"] if one["status"] != "connected"]
    if away:
        raise _Refused(f"{taker}: cannot trade, {'; '.join(away)}")
    return taker


def _return(hosts: dict, primary_site: list, recovery_site: list, engine: str, database: str) -> dict:
    silent = [host for host in [*primary_site, *recovery_site] if hosts.get(host, {}).get("silent", True)]
    if silent:
        raise _Refused(f"{', '.join(silent)}: does not answer; a site is gone back to when all of it is there")
    running = [host for host in hosts if _member(hosts, host).get("state") == "primary"]
    primaries = sorted(running, key=lambda host: _member(hosts, host)["timeline"])
    if not primaries:
        raise _Refused("no database primary answers; run database_failover.yml first")
    primary = primaries[-1]
    engines = [host for host in primary_site if "answering" in hosts[host]["engine"]]
    members = [host for host in primary_site if "state" in _member(hosts, host)]
    for what, wanted, there in (("engine", engine, engines), ("database member", database, members)):
        if not there:
            raise _Refused(f"the primary site has no {what}; is dr_from its pattern?")
        if wanted and what == "engine" and wanted not in there:
            raise _Refused(f"dr_back_engine={wanted}: no engine of the primary site; one of {', '.join(there)}")
    back = {"engine": engine or engines[0], "database_to": database if database in members else members[0]}
    return {**back, "engines": engines, "degraded": not _member(hosts, primary).get("synchronous_standby_names"),
            "say": f"trading goes back to {back['engine']}, the database from {primary} to {back['database_to']}"}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"dr_hosts": dr_hosts, "dr_positions": dr_positions, "dr_readiness": dr_readiness, "dr_decision": dr_decision,
                "dr_return": dr_return, "dr_resumed": dr_resumed}
