# SPDX-License-Identifier: GPL-3.0-or-later
"""Trading moves between two engines while orders flow: by transfer, cutover, rollback and drain. The venue's log has the last word."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
from conftest import api, eventually, killed_once_armed, on, sql, venue_log

from lab import playbook
from lab.paths import BUILD

_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"


def _holders() -> set[str]:
    return {holder.partition("/")[0] for _strategy, holder in sql("SELECT strategy, holder FROM engine_lease WHERE holder IS NOT NULL")}


def _run(name: str, *arguments: str, fails: bool = False) -> str:
    done = playbook.run(name, *arguments, record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _post(host: str, path: str) -> None:
    ask = f"import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8080/api/v1/{path}', method='POST'), timeout=5)"
    on(host, f'python3 -c "{ask}"')


def _trades(host: str) -> bool:
    status = api(host, "status")
    return all(one["trading"] and one["accepted"]["epoch"] == one["epoch"] for one in status["strategies"])


def _accepted(lines: list[dict]) -> dict[str, list[dict]]:
    by_strategy: dict[str, list[dict]] = {}
    for line in lines:
        if line["ev"] == "accepted":
            by_strategy.setdefault(line["strategy"], []).append(line)
    return by_strategy


def _nobody_twice() -> None:
    """No order accepted under an epoch after a higher one was seen, none refused for its epoch, no epoch used by two incarnations."""
    lines = venue_log()
    for strategy, orders in _accepted(lines).items():
        epochs = [line["epoch"] for line in orders]
        assert epochs == sorted(epochs), strategy
        holders = {(line["epoch"], line["holder"]) for line in orders}
        assert len(holders) == len({epoch for epoch, _holder in holders}), strategy
    assert not [line for line in lines if line["ev"] == "rejected" and "epoch" in str(line.get("reason"))]


def test_a_check_says_who_would_give_what_and_changes_nothing(demo: dict) -> None:
    before = sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1")
    assert f"from {_BLUE} (" in _run("transfer", "--check")
    assert sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1") == before
    assert sql("SELECT count(*) FROM engine_arm") == [["0"]]


def test_the_gap_that_is_told_is_that_of_the_venue_s_log(demo: dict) -> None:
    before = {line["strategy"]: line["epoch"] for line in venue_log() if line["ev"] == "accepted"}
    said = _run("transfer", "-e", f"transfer_to={_GREEN}", "-e", "transfer_id=e2e-1")
    told = float(re.search(r"ms, ([\d.]+) ms between two orders at the venue", said).group(1))
    gaps = []
    for strategy, orders in _accepted(venue_log()).items():
        last = max(line["t"] for line in orders if line["epoch"] == before[strategy])
        gaps.append((min(line["t"] for line in orders if line["epoch"] == before[strategy] + 1) - last) / 1e6)
    assert told == pytest.approx(max(gaps), abs=0.01)
    assert _holders() == {_GREEN}
    _nobody_twice()


def test_a_repeated_transfer_finds_its_outcome(demo: dict) -> None:
    assert "holds mm-btc-usd, mm-eth-usd already" in _run("transfer", "-e", f"transfer_to={_GREEN}", "-e", "transfer_id=e2e-1")
    assert sql("SELECT taker LIKE 'hft-prod-02/%' FROM engine_transfer WHERE id = 'e2e-1'") == [["t"]]


def test_a_drained_engine_holds_nothing(demo: dict) -> None:
    _run("drain", "-e", f"drain_host={_GREEN}")
    assert _holders() == {_BLUE}
    assert "nothing to move" in _run("drain", "-e", f"drain_host={_GREEN}")


def test_what_was_stopped_on_the_giver_stays_stopped_on_the_taker(demo: dict) -> None:
    _post(_BLUE, "strategies/mm-eth-usd/stop")
    assert f"{_GREEN} trades mm-btc-usd (stopped as before: mm-eth-usd)" in _run("transfer", "-e", f"transfer_to={_GREEN}")
    state = {one["id"]: (one["state"], one["holder"].partition("/")[0]) for one in api(_GREEN, "status")["strategies"]}
    assert state == {"mm-btc-usd": ("running", _GREEN), "mm-eth-usd": ("stopped", _GREEN)}
    _post(_GREEN, "strategies/mm-eth-usd/start")
    _run("transfer", "-e", f"transfer_to={_BLUE}")
    eventually("both trade again", lambda: _trades(_BLUE))


def test_the_control_node_may_die_in_the_middle(demo: dict) -> None:
    """Killed as soon as the taker is armed: the transfer is finished, or the giver trades on. The same command finds or finishes it."""
    killed_once_armed("e2e-killed", 30, "ansible-playbook", "-i", "inventories/lab", "playbooks/transfer.yml",
                      "-e", f"transfer_to={_GREEN}", "-e", "transfer_id=e2e-killed")
    eventually("exactly one engine trades", lambda: sum(map(_trades, (_BLUE, _GREEN))) == 1)
    _run("transfer", "-e", f"transfer_to={_GREEN}", "-e", "transfer_id=e2e-killed")
    assert _holders() == {_GREEN}
    _nobody_twice()
    _run("transfer", "-e", f"transfer_to={_BLUE}")
    assert _holders() == {_BLUE}


def test_what_the_giver_refuses_leaves_nobody_armed(demo: dict) -> None:
    before = sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1")
    assert "drain_ms 0: expected 1 to 60000" in _run("transfer", "-e", "transfer_drain_ms=0", fails=True)
    assert sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1") == before
    assert sql("SELECT count(*) FROM engine_arm") == [["0"]]


def test_an_engine_that_is_down_comes_back_on_its_former_release_and_takes(demo: dict) -> None:
    """`make demo` left it on the release that was taken back."""
    former = api(_BLUE, "status")["version"]
    assert api(_GREEN, "status")["version"] != former
    on(_GREEN, "systemctl stop hft_system.service")
    assert "needs rollback_to" in _run("rollback", "-e", f"rollback_release={former}", fails=True)
    said = _run("rollback", "-e", f"rollback_to={_GREEN}", "-e", "rollback_release=9.9.9", fails=True)
    assert "release 9.9.9: is not in /opt/hft_system/releases" in said
    assert _holders() == {_BLUE}
    _run("rollback", "-e", f"rollback_to={_GREEN}", "-e", f"rollback_release={former}")
    assert (_holders(), api(_GREEN, "status")["version"]) == ({_GREEN}, former)
    _run("rollback", "-e", f"rollback_to={_BLUE}")
    assert _holders() == {_BLUE}


@pytest.mark.long
def test_a_release_that_does_worse_is_taken_back_and_one_that_does_not_stays(demo: dict, next_release: str) -> None:
    """One run is spoiled as soon as the taker holds: a strategy of it stops, before its proof or while it is watched. The same command
    again succeeds; then the way back."""
    old = api(_BLUE, "status")["version"]

    def spoil() -> None:
        eventually("the taker holds", lambda: _GREEN in _holders(), 900)  # so long may a build from nothing take
        _post(_GREEN, "strategies/mm-eth-usd/stop")

    spoiler = threading.Thread(target=spoil)
    spoiler.start()
    said = _run("cutover", "-e", f"engine_build_source={next_release}", "-e", "cutover_bake_s=15", fails=True)
    spoiler.join()
    assert "measured 3 times in a row: mm-eth-usd is stopped" in said
    assert f"trading was moved back to {_BLUE}" in said
    assert _holders() == {_BLUE}

    _run("cutover", "-e", f"engine_build_source={next_release}", "-e", "cutover_bake_s=3", "-e", f"cutover_record_dir={BUILD}/record")
    assert _holders() == {_GREEN}
    assert api(_GREEN, "status")["version"] != old
    assert "nothing to do" in _run("cutover", "-e", f"engine_build_source={next_release}")

    begin = time.monotonic()
    _run("rollback")
    print(f"rollback: {time.monotonic() - begin:.1f} s")
    assert _holders() == {_BLUE}
    assert api(_BLUE, "status")["version"] == old
    _nobody_twice()


@pytest.mark.long
def test_a_cutover_tries_the_release_on_paper_updates_the_former_engine_and_drills(demo: dict, next_release: str) -> None:
    """What the paper finds wrong ends it before anything moves; then the same with bounds that hold, and the way back from the disk."""
    old = api(_BLUE, "status")["version"]
    rows = "SELECT strategy, holder, epoch FROM engine_lease WHERE strategy NOT LIKE 'smoke-%' ORDER BY 1"
    before = sql(rows)
    source = ("-e", f"engine_build_source={next_release}", "-e", "cutover_bake_s=3")
    both = ("-e", "cutover_update_former=true", "-e", "cutover_drill=true")
    said = _run("cutover", *source, "-e", "cutover_smoke_orders=1000000", "-e", "cutover_smoke_s=3",
                "-e", "cutover_id=e2e-paper", fails=True)
    assert "orders on paper: asked at least 1000000 of smoke-mm-btc-usd within 3 s" in said
    assert f"nothing was moved, {_BLUE} trades as before" in said
    assert sql(rows) == before
    assert [one["id"] for one in api(_GREEN, "status")["strategies"]] == ["mm-btc-usd", "mm-eth-usd"]
    assert api(_GREEN, "status")["role"] == "standby"
    assert sql("SELECT verdict, g->>'verdict' FROM deployment_record, jsonb_array_elements(record->'gates') AS g"
               " WHERE id = 'e2e-paper' AND g->>'gate' = 'orders on paper'") == [["refused", "fail"]]

    planned = _run("cutover", *source, *both, "-e", "cutover_smoke_orders=5", "--check")
    assert "5 orders on paper, by a copy of a strategy that moves" in planned
    assert f"failover drill to {_BLUE} and back" in planned
    assert sql(rows) == before

    _run("cutover", *source, *both, "-e", "cutover_smoke_orders=5", "-e", "cutover_id=e2e-whole")
    assert _holders() == {_GREEN}
    new = api(_GREEN, "status")["version"]
    assert (api(_BLUE, "status")["version"], api(_BLUE, "status")["role"]) == (new, "standby")
    assert new != old
    assert sql("SELECT id, verdict FROM deployment_record WHERE id LIKE 'e2e-whole%' ORDER BY 1") == [
        ["e2e-whole", "done"], ["e2e-whole-drill", "done"], ["e2e-whole-former", "done"]]
    assert not [line for line in venue_log() if line["ev"] == "accepted" and line["strategy"].startswith("smoke-")]
    assert sql("SELECT holder IS NULL FROM engine_lease WHERE strategy = 'smoke-mm-btc-usd'") == [["t"]]
    assert sql("SELECT * FROM deployment_lock") == []
    _nobody_twice()

    _run("rollback", "-e", f"rollback_to={_BLUE}", "-e", f"rollback_release={old}")
    assert (_holders(), api(_BLUE, "status")["version"]) == ({_BLUE}, old)
    sql("DELETE FROM engine_lease WHERE strategy LIKE 'smoke-%'")


def test_a_gate_that_fails_changes_nothing(demo: dict) -> None:
    before = api(_GREEN, "status")["version"]
    release = json.dumps({"cutover_release": {"version": "9.9.9", "archive": "/none", "sha256": "0" * 64}})
    policy = json.dumps({"gates_min_free_mb": 99999999, "gates_max_backup_age_s": 86400})
    said = _run("cutover", "-e", release, "-e", policy, fails=True)
    assert "free disk: asked at least" in said
    assert "backup age: asked at most 86400 s, found not measured on hft-db-01" in said
    assert "nothing was changed" in said
    assert api(_GREEN, "status")["version"] == before


@pytest.mark.long
def test_a_giver_whose_release_was_edited_or_that_runs_another_version_gives_nothing(demo: dict) -> None:
    """It is what a rollback would return to."""
    version = api(_BLUE, "status")["version"]
    edited = f"/opt/hft_system/releases/{version}/docs/openapi.yaml"
    release = json.dumps({"cutover_release": {"version": "9.9.9", "archive": "/none", "sha256": "0" * 64}})
    on(_BLUE, f"cp -p {edited} /root/kept; echo edited >> {edited}")
    try:
        said = _run("cutover", "-e", release, "-e", json.dumps({"gates_versions": {_GREEN: "1.2.3"}}), fails=True)
    finally:
        on(_BLUE, f"mv /root/kept {edited}")
    assert f"release on disk: asked {_BLUE}: every file as its manifest says, found {version}: not so: {edited}" in said
    assert f"versions: asked {_BLUE} {version}, {_GREEN} 1.2.3, found" in said
    assert "nothing was changed" in said
    assert _holders() == {_BLUE}


def test_a_second_operator_is_told_who_deploys_and_takes_over_with_a_reason(demo: dict) -> None:
    """The lock of a control node that died in its cutover: the refusal is recorded too, and what was taken over is given back."""
    sql("INSERT INTO deployment_lock VALUES (true, 'cutover-bob', 'bob@control-1', now(), now() + interval '10 minutes')")
    before = sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1")
    said = _run("rollback", "-e", "rollback_id=e2e-refused", fails=True)
    assert "another deployment runs: cutover-bob by bob@control-1, since" in said
    assert sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1") == before
    override = json.dumps({"gates_override": {"deployment lock": "that control node is gone"}, "rollback_to": _GREEN, "notify_timeout_s": 2,
                           "notify_targets": [{"name": "desk", "kind": "slack", "url": "http://127.0.0.1:9/S3CRET"}]})
    said = _run("rollback", "-e", "rollback_id=e2e-override", "-e", override)
    assert "NOT TOLD: desk" in said
    assert "S3CRET" not in said
    assert _holders() == {_GREEN}
    _run("rollback", "-e", "rollback_id=e2e-back", "-e", f"rollback_to={_BLUE}")
    assert sql("SELECT id, verdict, record #>> '{gates,0,verdict}', record #>> '{gates,0,reason}' FROM deployment_record"
               " WHERE id IN ('e2e-refused', 'e2e-override', 'e2e-back') ORDER BY started_at") == [
        ["e2e-refused", "refused", "fail", ""], ["e2e-override", "done", "overridden", "that control node is gone"],
        ["e2e-back", "done", "pass", ""]]
    assert sql("SELECT * FROM deployment_lock") == []


def test_a_cutover_that_cannot_be_prepared_is_recorded_and_gives_the_lock_back(demo: dict) -> None:
    release = json.dumps({"cutover_release": {"version": "9.9.9", "archive": "/none", "sha256": "0" * 64}})
    assert "archive /none: is not on the control node" in _run("cutover", "-e", release, "-e", "cutover_id=e2e-unprepared", fails=True)
    assert sql("SELECT verdict, record->>'detail' LIKE '%/none%' FROM deployment_record WHERE id = 'e2e-unprepared'") == [["refused", "t"]]
    assert sql("SELECT * FROM deployment_lock") == []


def test_the_kill_switch_stops_every_engine_and_is_cleared_on_purpose(demo: dict) -> None:
    assert "every engine confirmed" in _run("killswitch", "-e", "killswitch_reason=drill")
    pressed = time.time_ns()
    assert not _trades(_BLUE)
    time.sleep(1)
    assert not [line for line in venue_log() if line["ev"] == "accepted" and line["t"] > pressed]
    assert "kill switch is latched" in _run("transfer", fails=True)
    _run("killswitch_clear", "-e", "killswitch_reason=drill is over")
    _run("trading", "-e", "trading_action=start", "-e", f"trading_engine={_BLUE}")
    assert _trades(_BLUE)
    _nobody_twice()


def test_a_holder_that_cannot_be_asked_is_shut_out_at_the_venue(demo: dict) -> None:
    """It trades on, and nobody reaches its host: the other engine, latched itself, fences it."""
    on(_BLUE, "systemctl stop ssh.socket ssh.service; pkill -KILL -f '^sshd-session: deploy' || true")
    try:
        said = _run("killswitch", "-e", "killswitch_reason=drill", "-e", "ansible_ssh_retries=0",
                    "-e", json.dumps({"killswitch_network_command": ["echo", "cut", "{engine}"]}), fails=True)
        pressed = time.time_ns()
    finally:
        on(_BLUE, "systemctl start ssh.service")
    assert f"NOT CONFIRMED by {_BLUE}" in said
    assert "Shut out at the venue: mm-btc-usd below epoch" in said
    assert f"Cut off by killswitch_network_command: {_BLUE}" in said
    time.sleep(1)
    assert not [line for line in venue_log() if line["ev"] == "accepted" and line["t"] > pressed]
    eventually("the shut out engine gives up", lambda: not _trades(_BLUE))
    assert "every engine confirmed" in _run("killswitch", "-e", "killswitch_reason=drill")
    _run("killswitch_clear", "-e", "killswitch_reason=drill is over")
    _run("trading", "-e", "trading_action=start", "-e", f"trading_engine={_BLUE}")
    assert _trades(_BLUE)
