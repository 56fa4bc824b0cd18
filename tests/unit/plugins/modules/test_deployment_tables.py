# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock and record of deployments, held against a session that answers; a real server is asked by molecule/timescaledb."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _postgres_deployments
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import PRIMARY, STANDBY
from ansible_collections.hft.ops.plugins.modules import deployment_record
from ansible_collections.hft.ops.plugins.modules.deployment_lock import Lock, check_input

_BY_BOB = ("b", "bob@control-1", "2026-01-31T22:00:00Z", "2026-01-31T23:00:00Z")
_BY_ME = ("a", "alice@control-2", "2026-01-31T22:05:00Z", "2026-01-31T23:05:00Z")
_RECORD = {"id": "a", "action": "cutover", "verdict": "done", "started_at": "2026-01-31T22:05:00Z", "finished_at": "2026-01-31T22:06:00Z"}


class _Error(Exception):
    def __init__(self, text: str, pgcode: str) -> None:
        super().__init__(text)
        self.pgcode = pgcode


class _Server:
    """A cluster that answers each statement with the rows that the test gives for its first word and table; and keeps what was asked."""

    unit = "postgresql@17-main.service"

    def __init__(self, answer: Callable[[str], list[tuple]], state: str = PRIMARY, notices: tuple[str, ...] = ()) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.connection = SimpleNamespace(cancel=lambda: None, notices=list(notices))
        self._state = state

    def state(self) -> str:
        return self._state

    @contextlib.contextmanager
    def session(self, database: str = "postgres") -> Iterator[Any]:
        yield self

    def execute(self, query: str, arguments: object = None) -> None:
        self.asked.append(query.split(maxsplit=1)[0])
        self._rows = [] if query.startswith("SET") else self.answer(query)
        columns = ["record"] if "deployment_record" in query else ["id", "who", "since", "expires_at"]
        self.description = [(name,) for name in columns]

    def fetchall(self) -> list[tuple]:
        return self._rows


@pytest.fixture(autouse=True)
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SimpleNamespace(Error=_Error, extras=SimpleNamespace(Json=lambda value: value))
    monkeypatch.setattr(_postgres_deployments, "psycopg2", driver)
    monkeypatch.setattr(deployment_record, "psycopg2", driver)


def _given(verb: str, **more: object) -> dict[str, Any]:
    return {"verb": verb, "id": "a", "who": "alice@control-2", "expires_s": 3600, "override": "", "database": "hft_db",
            "owner": "hft_owner", "wait_s": 5.0, **more}


def _run(server: _Server, given: dict[str, Any], check: bool = False) -> tuple[Lock, Plan]:
    lock, plan = Lock(server, given), Plan(check)
    lock.plan(plan)
    plan.run()
    return lock, plan


def _held_by(held: list[tuple], got: list[tuple] | None = None) -> Callable[[str], list[tuple]]:
    return lambda query: held if query.startswith("SELECT") else got or []


def test_a_free_lock_is_taken_and_told() -> None:
    lock, plan = _run(_Server(_held_by([], [_BY_ME])), _given("acquire"))
    assert (lock.held["id"], lock.former, plan.changed) == ("a", {}, True)
    assert lock.held["say"] == "a by alice@control-2, since 2026-01-31T22:05:00Z, until 2026-01-31T23:05:00Z at the latest"


def test_a_second_operator_reads_who_holds_it_since_when_and_until_when() -> None:
    server = _Server(_held_by([_BY_BOB]))
    with pytest.raises(HostError) as wrong:
        _run(server, _given("acquire"))
    assert str(wrong.value) == ("another deployment runs: b by bob@control-1, since 2026-01-31T22:00:00Z, until 2026-01-31T23:00:00Z at"
                                " the latest; wait for its end, or take the lock over with a reason")
    assert "INSERT" not in server.asked


def test_the_same_deployment_acquires_again() -> None:
    lock, _plan = _run(_Server(_held_by([_BY_ME], [_BY_ME])), _given("acquire"))
    assert (lock.held["id"], lock.former) == ("a", {})


def test_who_is_overtaken_between_the_look_and_the_write_is_refused() -> None:
    looks = iter([[], [_BY_BOB]])
    server = _Server(lambda query: next(looks) if query.startswith("SELECT") else [])
    with pytest.raises(HostError, match="another deployment runs: b by bob@control-1"):
        _run(server, _given("acquire"))


def test_with_a_reason_it_is_taken_over_and_the_former_holder_is_told() -> None:
    lock, _plan = _run(_Server(_held_by([_BY_BOB], [_BY_ME])), _given("acquire", override="INC-4711"))
    assert (lock.held["id"], lock.former["who"]) == ("a", "bob@control-1")


@pytest.mark.parametrize(("held", "changed"), [([_BY_ME], True), ([_BY_BOB], False), ([], False)])
def test_only_ones_own_lock_is_released(held: list[tuple], changed: bool) -> None:
    server = _Server(_held_by(held))
    lock, plan = _run(server, _given("release"))
    assert (plan.changed, "DELETE" in server.asked) == (changed, changed)
    assert lock.held.get("id") == (None if changed or not held else "b")


def test_check_mode_reads_and_writes_nothing() -> None:
    server = _Server(_held_by([]))
    _lock, plan = _run(server, _given("acquire"), check=True)
    assert plan.changed
    assert "INSERT" not in server.asked


def test_a_standby_tells_and_takes_nothing() -> None:
    lock, _plan = _run(_Server(_held_by([_BY_BOB]), STANDBY), _given("status"))
    assert lock.held["who"] == "bob@control-1"
    with pytest.raises(HostError, match=r"is standby; ask the primary$"):
        _run(_Server(_held_by([]), STANDBY), _given("acquire"))


def test_a_commit_that_no_standby_confirmed_is_no_lock() -> None:
    notices = ("WARNING:  canceling wait for synchronous replication due to user request\n",)
    with pytest.raises(HostError, match="confirmed by no standby within 5 s"):
        _run(_Server(_held_by([], [_BY_ME]), notices=notices), _given("acquire"))


@pytest.mark.parametrize(("code", "said"), [
    ("42P01", 'relation "x" does not exist; migrate the schema first'), ("57014", "no answer within 5 s, nothing was written"),
    ("53300", 'database hft_db: relation "x" does not exist$'),
])
def test_an_error_of_the_server_says_what_to_do(code: str, said: str) -> None:
    def answer(query: str) -> list[tuple]:
        raise _Error('relation "x" does not exist\nLINE 1: ...', code)

    with pytest.raises(HostError, match=said):
        _run(_Server(answer), _given("acquire"))


def test_all_that_is_wrong_with_the_input_is_told_at_once() -> None:
    with pytest.raises(HostError) as wrong:
        check_input(_given("acquire", id=" ", who="", expires_s=0))
    assert [part.split(":")[0] for part in str(wrong.value).split("; ") if ":" in part] == ["id", "who", "expires_s 0"]
    with pytest.raises(HostError, match="wait_s 0: expected seconds above 0"):
        check_input(_given("acquire", wait_s=0.0))
    check_input(_given("status", id="", who=""))


def _record(server: _Server, record: dict[str, Any]) -> Plan:
    given = {"record": record, "database": "hft_db", "owner": "hft_owner", "wait_s": 5.0}
    deployment_record.check_input(given)
    plan = Plan(False)
    deployment_record.plan_record(server, given, plan)
    plan.run()
    return plan


def test_a_record_is_written_once() -> None:
    fresh, kept = _Server(lambda query: []), _Server(lambda query: [(_RECORD,)])
    assert _record(fresh, _RECORD).changed
    assert "INSERT" in fresh.asked
    assert not _record(kept, _RECORD).changed
    with pytest.raises(HostError, match="record a, started 2026-01-31T22:05:00Z: is kept already with another content"):
        _record(kept, {**_RECORD, "verdict": "failed"})
    assert "INSERT" not in kept.asked


@pytest.mark.parametrize("key", ["id", "action", "verdict", "started_at", "finished_at"])
def test_a_record_without_a_name_is_refused(key: str) -> None:
    with pytest.raises(HostError, match=f"record.{key}: expected text, found None"):
        _record(_Server(lambda query: []), {**_RECORD, key: None})
