# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock and record of deployments, asked of a real primary with its synchronous standbys."""

from __future__ import annotations

import pytest

testinfra_hosts = ["mol-01"]

_LOCK = "hft.ops.deployment_lock"
_RECORD = {"schema": 1, "id": "trial", "action": "cutover", "verdict": "done", "started_at": "2026-01-31T22:05:00.123456Z",
           "finished_at": "2026-01-31T22:06:00Z", "gap_ms": 3.25, "gates": [{"gate": "a", "verdict": "pass"}], "detail": "naïve"}


def _lock(verb: str, who: str = "a", **more: object) -> dict:
    return {_LOCK: {"verb": verb, "id": f"trial-{who}", "who": f"{who}@control", **more}, "register": "answer"}


def _told(task: dict, condition: str) -> dict:
    return {**task, "failed_when": f"not ({condition})"}


@pytest.fixture
def steps(host, play):
    """Run tasks as one play that must succeed; nothing of them stays."""

    def run(*tasks: dict) -> None:
        done = play("mol-01", list(tasks))
        assert done.returncode == 0, done.stdout

    yield run
    host.check_output("cd / && runuser -u postgres -- psql -XAtq -d hft_db -c %s",
                      "DELETE FROM deployment_lock WHERE id LIKE 'trial%'; DELETE FROM deployment_record WHERE id LIKE 'trial%'")


def test_one_deployment_at_a_time_and_the_lock_ends_by_itself(steps) -> None:
    steps(
        _told(_lock("acquire", expires_s=60), "answer.lock.id == 'trial-a'"),
        _told(_lock("acquire", expires_s=3), "answer.changed and answer.lock.id == 'trial-a'"),
        _told(_lock("acquire", "b"), "'another deployment runs: trial-a by a@control, since ' in answer.msg"),
        _told(_lock("release", "b"), "not answer.changed and answer.lock.id == 'trial-a'"),
        {**_lock("acquire", "b"), "until": "answer is not failed", "retries": 20, "delay": 0.5},
        _told(_lock("acquire", "c", override="INC-4711"), "answer.former.id == 'trial-b'"),
        _told(_lock("status"), "answer.lock.who == 'c@control'"),
        _told(_lock("release", "c"), "answer.changed and answer.lock == {}"),
        _told(_lock("release", "c"), "not answer.changed"),
    )


def test_a_server_that_does_not_answer_is_not_waited_for(host, steps) -> None:
    held = "BEGIN; LOCK TABLE deployment_lock IN SHARE MODE; SELECT pg_sleep(60)"
    taken = "SELECT 1 FROM pg_locks WHERE relation = 'deployment_lock'::regclass AND mode = 'ShareLock' AND granted"
    shell = (f"runuser -u postgres -- psql -Xq -d hft_db -c \"{held}\" >/dev/null 2>&1 & echo $! >/run/trial.pid\n"
             f"until runuser -u postgres -- psql -XAtq -d hft_db -c \"{taken}\" | grep -q 1; do sleep 0.1; done")
    steps(
        {"ansible.builtin.shell": {"cmd": shell, "chdir": "/"}},
        _told(_lock("acquire", wait_s=1), "'no answer within 1 s, nothing was written' in answer.msg"),
    )
    host.check_output("pkill -P $(cat /run/trial.pid); rm /run/trial.pid")


def test_a_record_is_kept_once_and_read_back(steps) -> None:
    def kept(condition: str, **more: object) -> dict:
        return _told({"hft.ops.deployment_record": {"record": {**_RECORD, **more}}, "register": "answer"}, condition)

    steps(
        kept("answer.changed"),
        kept("answer is not failed and not answer.changed"),
        kept("'is kept already with another content' in answer.msg", verdict="failed"),
        kept("answer.changed", started_at="2026-01-31T23:05:00Z"),
        _told({"hft.ops.deployment_record_info": {"id": "trial", "newest": 1}, "register": "answer"},
              "answer.records | map(attribute='started_at') == ['2026-01-31T23:05:00Z']"),
    )


def test_the_engine_has_no_business_with_either(host) -> None:
    rights = ("SELECT count(*) FROM information_schema.table_privileges"
              " WHERE table_name LIKE 'deployment%' AND grantee IN ('hft_user', 'PUBLIC')")
    assert host.check_output("cd / && runuser -u postgres -- psql -XAtq -d hft_db -c %s", rights) == "0"
