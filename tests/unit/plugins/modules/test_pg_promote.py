# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import PRIMARY, STANDBY, STOPPED
from ansible_collections.hft.ops.plugins.module_utils._postgres_slots import missing_slots
from ansible_collections.hft.ops.plugins.modules import pg_promote
from ansible_collections.hft.ops.plugins.modules.pg_promote import Member, last_kind

_FOUND = {"system_identifier": "7", "synchronous": 'ANY 1 ("db", "p1", "p2")', "flushed_lsn": "0/A0", "timeline": 1, "heard_ago_s": 2.4}
_INSERT = "rmgr: Heap        len (rec/tot): 54/54, tx: 741, lsn: 0/1, prev 0/0, desc: INSERT off: 5"
_SHUTDOWN = "rmgr: XLOG        len (rec/tot): 114/114, tx: 0, lsn: 0/2, prev 0/1, desc: CHECKPOINT_SHUTDOWN redo 0/2; tli 1"
_RUNNING = "rmgr: Standby     len (rec/tot): 50/50, tx: 0, lsn: 0/3, prev 0/2, desc: RUNNING_XACTS nextXid 742"
_CUT = [{"name": "p1", "timeline": 1, "flushed_lsn": "0/A0"}, {"name": "p2", "timeline": 1, "flushed_lsn": "0/90"}]


def _member(state: str = STANDBY, alone: str = "", **more: object) -> Member:
    given = {"version": 17, "cluster": "main", "port": 5432, "step": "promote", "system_identifier": "7", "name": "p1",
             "former_primary": "db", "after": "detach",
             "detached": _CUT, "accept_loss": False, "slots": [], "database": "hft_db", "wait_s": 1, **more}
    member = Member(SimpleNamespace(params=given, run_command=None))
    member.cluster = SimpleNamespace(state=lambda: state, data_directory="/nowhere")
    member.unit = "postgresql@17-main"
    member.stand = lambda: dict(_FOUND)
    member.alone = lambda: alone
    member.missing_slots = lambda: missing_slots(given["slots"], {"p2": "physical"})
    return member


def _planned(member: Member) -> Plan:
    plan = Plan(check_mode=True)
    pg_promote._plan(member, plan)
    return plan


def test_the_most_advanced_of_enough_is_promoted() -> None:
    plan = _planned(_member())
    assert [(one.before, one.after) for one in plan.differences] == [("standby", "primary")]


@pytest.mark.parametrize(("more", "said"), [
    ({"detached": _CUT[:1]}, "not detached: p2"),
    ({"detached": _CUT[1:]}, "p1 itself is missing"),
    ({"detached": [*_CUT, {"name": "x", "timeline": 1, "flushed_lsn": "0/B0"}]}, "promote x"),
    ({"detached": [_CUT[0], {"name": "p2", "timeline": 2, "flushed_lsn": "0/10"}]}, "promote p2"),
])
def test_without_a_proof_nothing_is_promoted(more: dict, said: str) -> None:
    with pytest.raises(HostError, match=said):
        _planned(_member(**more))


def test_after_a_primary_that_acknowledged_alone_no_cut_is_a_proof() -> None:
    with pytest.raises(HostError, match=r"may lack acknowledged commits \(The primary acknowledges alone since noon\)"):
        _planned(_member(alone="The primary acknowledges alone since noon"))


def test_a_loss_is_accepted_only_in_so_many_words_and_then_named() -> None:
    with pytest.raises(HostError, match=r"accept the loss of up to 2 s of commits \(accept_loss\); nothing was promoted"):
        _planned(_member(detached=_CUT[:1]))
    assert _planned(_member(detached=_CUT[:1], accept_loss=True)).changed


def test_even_an_accepted_loss_does_not_promote_the_one_that_has_less() -> None:
    with pytest.raises(HostError, match="promote p1"):
        _planned(_member(name="p2", accept_loss=True))


def test_a_primary_stays_as_it_is_and_cannot_be_cut_off() -> None:
    assert not _planned(_member(PRIMARY)).changed
    with pytest.raises(HostError, match="is a primary already"):
        _planned(_member(PRIMARY, step="detach"))


@pytest.mark.parametrize(("state", "step", "paths"), [
    (STANDBY, "promote", ["db (slot)", "postgresql@17-main"]),
    (STANDBY, "prepare", ["db (slot)"]),
    (PRIMARY, "promote", ["db (slot)"]),
])
def test_slots_of_the_followers_are_made_once_it_is_sure_that_somebody_uses_them(state: str, step: str, paths: list) -> None:
    assert [one.path for one in _planned(_member(state, step=step, slots=["db", "p2"])).differences] == paths


def test_a_stopped_server_is_not_asked() -> None:
    with pytest.raises(HostError, match="is stopped"):
        _planned(_member(STOPPED))


@pytest.mark.parametrize(("text", "kind"), [
    ((_INSERT, _SHUTDOWN, "pg_waldump: error: error in WAL record at 0/2: invalid record length"), "CHECKPOINT_SHUTDOWN"),
    ((_SHUTDOWN.replace("SHUTDOWN", "ONLINE"),), "CHECKPOINT_ONLINE"),
    ((_SHUTDOWN, _RUNNING), ""),
    ((), ""),
])
def test_only_the_last_record_of_the_log_counts(text: tuple, kind: str) -> None:
    assert last_kind([line for line in text if line.startswith("rmgr: ")]) == kind


@pytest.mark.parametrize(("log", "kind"), [
    ({"0/19000000": [_SHUTDOWN], "0/18FFE0A0": []}, "CHECKPOINT_SHUTDOWN"),  # the segment before ends in padding
    ({"0/19000000": [], "0/18FFE0A0": [_INSERT, _SHUTDOWN]}, "CHECKPOINT_SHUTDOWN"),  # the record began in the segment before
    ({"0/19000000": [_RUNNING], "0/18FFE0A0": [_SHUTDOWN]}, ""),
    ({"0/19000000": [], "0/18FFE0A0": []}, ""),
])
def test_the_log_is_read_from_its_segment_then_from_the_one_before(log: dict, kind: str) -> None:
    member = _member()
    member.cluster.wal_records = lambda _run, _timeline, start: log[start]
    member.outcome = {"timeline": 2}
    assert member.last_record(["0/19000000", "0/18FFE0A0"]) == kind


def _look(*, streaming: bool, replayed_all: bool = True) -> dict:
    return {"streaming": streaming, "replayed_all": replayed_all, "replayed": "0/A0", "look_from": ["0/28"], "conninfo": "host=db"}


@pytest.mark.parametrize(("looks", "records", "giver", "read"), [
    pytest.param([_look(streaming=False)], ["CHECKPOINT_SHUTDOWN"], False, 1, id="the stream is down"),
    pytest.param([_look(streaming=False, replayed_all=False), _look(streaming=False)], ["CHECKPOINT_SHUTDOWN"], False, 1,
                 id="the log is read once all of it is replayed"),
    pytest.param([_look(streaming=True)], ["CHECKPOINT_SHUTDOWN"], True, 1, id="the giver streams as a standby already"),
    pytest.param([_look(streaming=True), _look(streaming=False)], ["", "CHECKPOINT_SHUTDOWN"], False, 2, id="not before its last record"),
])
def test_a_clean_shutdown_is_seen(monkeypatch: pytest.MonkeyPatch, looks: list, records: list, giver: bool, read: int) -> None:
    member, asked = _waiting(monkeypatch, looks, records, giver=giver)
    member.await_clean_shutdown()
    assert asked == [["0/28"]] * read


@pytest.mark.parametrize(("look", "record", "stands"), [
    (_look(streaming=True), "CHECKPOINT_SHUTDOWN", "stream up"),  # the primary runs again, as one
    (_look(streaming=False), "", "stream down"),
    (_look(streaming=False, replayed_all=False), "CHECKPOINT_SHUTDOWN", "stream down"),
])
def test_what_proves_no_clean_shutdown_promotes_nothing(monkeypatch: pytest.MonkeyPatch, look: dict, record: str, stands: str) -> None:
    member, _asked = _waiting(monkeypatch, [look], [record], giver=False)
    with pytest.raises(HostError, match=rf"did not shut down cleanly within 1 s \({stands}, replayed 0/A0\); nothing was promoted"):
        member.await_clean_shutdown()


def _waiting(monkeypatch: pytest.MonkeyPatch, looks: list, records: list, *, giver: bool) -> tuple[Member, list]:
    """A member whose looks and last records come in this order, the last of each again and again; the clock goes by its sleeps."""
    clock, asked = SimpleNamespace(now=100.0), []
    monkeypatch.setattr(pg_promote, "time", SimpleNamespace(monotonic=lambda: clock.now,
                                                            sleep=lambda s: setattr(clock, "now", clock.now + s)))
    monkeypatch.setattr(pg_promote, "rows", lambda *_: [looks.pop(0) if len(looks) > 1 else looks[0]])
    monkeypatch.setattr(pg_promote, "is_standby", lambda _conninfo: giver)
    member = _member()
    member.cluster.session = contextlib.nullcontext

    def last_record(starts: list) -> str:
        asked.append(starts)
        return records.pop(0) if len(records) > 1 else records[0]

    member.last_record = last_record
    return member, asked
