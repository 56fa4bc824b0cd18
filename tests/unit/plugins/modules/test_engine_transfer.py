# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused
from ansible_collections.hft.ops.plugins.modules import engine_transfer
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import HOLDER, OTHER, PlayedEngine, strategy

Played = tuple[PlayedEngine, EngineApi]
Ask = Callable[..., dict[str, Any]]
_TO = {"engine": "e2", "incarnation": "bb", "build": "1.1"}
_LITTLE_S = 0.05


@pytest.fixture
def ask(run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """ask(verb, **options): what engine_transfer answers for transfer t1."""
    monkeypatch.setattr(engine_transfer, "_PAUSE_S", 0.005)

    def run(verb: str, **options: Any) -> dict[str, Any]:
        to = {"to": _TO} if verb in ("transfer", "resume") else {}
        return run_module(engine_transfer.main, verb=verb, **{"id": "t1", **to, **options})

    return run


def _taker(played: Played, *more: dict[str, Any]) -> PlayedEngine:
    """The engine as one that stands by."""
    one = played[0]
    one.own(strategy("mm", OTHER), *more)
    return one


def _took(one: PlayedEngine, accepted_epoch: int, first: int = 30) -> None:
    """The taker after its claim, with orders accepted under that epoch."""
    one.own(strategy("mm", HOLDER, 5, accepted={"epoch": accepted_epoch, "first_venue_ns": first, "last_venue_ns": first}))
    one.note("taker", "done")


# ---- plan -------------------------------------------------------------------------------------------------------------


def test_plan_tells_who_would_take_part_and_asks_nothing(played: Played, ask: Ask) -> None:
    found = ask("plan", to={"engine": "e2"})
    assert (found["changed"], found["outcome"]) == (False, "unknown")
    assert (found["engine"], found["incarnation"], found["build"]) == ("e1", "aa", "1.0")
    _taker(played)
    assert ask("plan")["changed"] is False
    assert played[0].asked == []


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one.status.update(killswitch=True), "kill switch latched in the engine itself"),
    (lambda one: one.mm.update(killed=True), "kill switch latched in the lease row of mm"),
    (lambda one: one.mm.update(holder=OTHER), "mm is held by e2/bb (epoch 4)"),
    (lambda one: one.mm.update(holder=None), "mm is held by nobody (epoch 4)"),
    (lambda one: one.status["database"].update(connected=False), "no database connection for writing"),
])
def test_a_giver_that_could_not_give_is_named_with_the_reason(
        played: Played, ask: Ask, change: Callable[[PlayedEngine], None], said: str) -> None:
    change(played[0])
    assert ask("plan", to={"engine": "e2"})["msg"] == f"engine e1: cannot give: {said}"
    assert said in ask("transfer", check=True)["msg"]
    assert played[0].asked == []


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one.status.update(killswitch=True), "kill switch latched in the engine itself"),
    (lambda one: one.mm.update(killed=True), "kill switch latched in the lease row of mm"),
    (lambda one: one.mm.update(holder=HOLDER), "mm is held here already"),
    (lambda one: one.mm.update(holder=None), "mm is held by nobody: start it instead (trading.yml)"),
    (lambda one: one.status["exchanges"][0].update(status="disconnected"), "venue paper is disconnected"),
    (lambda one: one.status["database"].update(connected=False), "no database connection for writing"),
])
def test_a_taker_that_could_not_take_is_not_armed(played: Played, ask: Ask, change: Callable[[PlayedEngine], None], said: str) -> None:
    change(_taker(played))
    for verb, more in (("plan", {}), ("arm", {}), ("arm", {"check": True}), ("arm", {"to": {"engine": "e1"}})):
        assert ask(verb, **more)["msg"] == f"engine e1: cannot take: {said}"
    assert played[0].asked == []


def test_what_does_not_move_is_no_hindrance(played: Played, ask: Ask) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb", killed=True, holder=None))
    assert "failed" not in ask("plan", to={"engine": "e2"}, strategies=["mm"])
    _taker(played, strategy("arb", killed=True, venue="else"))
    one.status["exchanges"].append({"name": "else", "status": "disconnected"})
    assert "failed" not in ask("plan", strategies=["mm"])
    assert "lease row of arb" in ask("plan")["msg"]


# ---- arm and abort ----------------------------------------------------------------------------------------------------


def test_arm_says_who_is_ready(played: Played, ask: Ask) -> None:
    one = _taker(played)
    found = ask("arm", expires_s=7)
    assert one.asked == [("POST arm", {"id": "t1", "strategies": ["mm"], "expires_s": 7})]
    assert (found["changed"], found["outcome"]) == (True, "armed")
    assert (found["engine"], found["incarnation"], found["build"]) == ("e1", "aa", "1.0")
    assert [row["path"] for row in found["differences"]] == ["armed for t1: mm"]


def test_what_the_giver_has_stopped_is_armed_stopped_and_not_waited_for(played: Played, ask: Ask) -> None:
    one = _taker(played, strategy("arb", OTHER))
    ask("arm", stopped=["arb"])
    assert one.asked[0][1]["stopped"] == ["arb"]
    _took(one, 5)
    one.own(one.mm, strategy("arb", HOLDER, 5, trading=False, accepted={"epoch": 0, "first_venue_ns": 0, "last_venue_ns": 0}))
    assert "failed" not in ask("prove", stopped=["arb"], wait_s=_LITTLE_S)
    assert "no order of arb accepted" in ask("prove", wait_s=_LITTLE_S)["msg"]


def test_arming_again_only_begins_the_time_anew(played: Played, ask: Ask) -> None:
    one = _taker(played)
    ask("arm")
    found = ask("arm")
    assert (found["changed"], found["outcome"], len(one.asked)) == (False, "armed", 2)
    assert ask("arm", check=True)["changed"] is False
    assert len(one.asked) == 2


def test_a_taker_armed_for_less_is_armed_for_all(played: Played, ask: Ask) -> None:
    one = _taker(played, strategy("arb", OTHER))
    ask("arm", strategies=["mm"])
    assert ask("arm")["changed"]
    assert one.asked[-1][1]["strategies"] == ["mm", "arb"]


def test_arm_after_the_transfer_does_nothing(played: Played, ask: Ask) -> None:
    _took(played[0], 5)
    found = ask("arm")
    assert (found["changed"], found["outcome"]) == (False, "done")
    assert played[0].asked == []


def test_check_mode_arms_and_withdraws_nothing(played: Played, ask: Ask) -> None:
    one = _taker(played)
    assert ask("arm", check=True)["changed"]
    one.note("taker", "armed")
    found = ask("abort", check=True)
    assert (found["changed"], found["outcome"]) == (True, "armed")
    assert one.asked == []


def test_a_refusal_to_be_armed_is_told_with_its_reason(played: Played, ask: Ask) -> None:
    _taker(played).refusals["POST arm"] = (409, "armed for transfer t0 already")
    found = ask("arm")
    assert (found["msg"], found["outcome"]) == ("engine e1: cannot be armed: armed for transfer t0 already", "unknown")


def test_abort_withdraws_once(played: Played, ask: Ask) -> None:
    one = _taker(played)
    ask("arm")
    found = ask("abort")
    assert (found["changed"], found["outcome"]) == (True, "disarmed")
    assert one.asked[1:] == [("DELETE arm", {"id": "t1"})]
    assert ask("abort")["changed"] is False
    assert len(one.asked) == 2


def test_abort_of_a_transfer_that_this_engine_does_not_know_does_nothing(played: Played, ask: Ask) -> None:
    _taker(played).note("taker", "armed", id="t0")
    assert ask("abort")["changed"] is False
    assert played[0].asked == []


def test_abort_after_it_was_carried_out_is_a_failure(played: Played, ask: Ask) -> None:
    _took(played[0], 5)
    for check in (False, True):
        found = ask("abort", check=check)
        assert found["msg"] == "engine e1: transfer t1 was carried out already; the way back is another transfer"
    assert (found["outcome"], played[0].asked) == ("done", [])


def test_abort_that_comes_too_late_says_so(played: Played, ask: Ask) -> None:
    one = _taker(played)
    ask("arm")
    one.refusals["DELETE arm"] = (409, "transfer t1 was carried out already")
    assert ask("abort")["msg"] == "engine e1: not withdrawn: transfer t1 was carried out already"
    one.refusals["DELETE arm"] = (503, "no connection to a writable database: still armed")
    assert "still armed" in ask("abort")["msg"]


# ---- transfer ---------------------------------------------------------------------------------------------------------


def test_transfer_asks_the_giver_once_with_all_that_was_seen(played: Played, ask: Ask) -> None:
    one = played[0]
    found = ask("transfer", expect={"holder": HOLDER, "epochs": {"mm": "4"}}, drain_ms=50, on_undrained="hand_over", take_back_s=0)
    assert one.asked == [("POST transfer", {
        "id": "t1", "strategies": ["mm"], "to": _TO, "drain_ms": 50, "take_back_s": 0, "undrained": "hand_over",
        "expect": {"holder": HOLDER, "epochs": {"mm": 4}}})]
    assert (found["changed"], found["outcome"], found["record"]["part"]) == (True, "done", "giver")
    assert found["differences"] == [{"layer": "live", "path": "lease mm", "before": HOLDER, "after": "e2"}]
    assert found["accepted"]["mm"]["last_venue_ns"] == 20


def test_the_last_order_of_the_giver_is_read_after_the_handover(played: Played, ask: Ask) -> None:
    one = played[0]
    one.later["POST transfer"] = [lambda: one.mm["accepted"].update(last_venue_ns=77)]
    assert ask("transfer")["accepted"]["mm"]["last_venue_ns"] == 77


def test_what_is_left_out_is_not_expected_of_the_giver(played: Played, ask: Ask) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb"))
    ask("transfer", to={"engine": "e2"}, strategies=["arb"])
    assert one.asked[0][1] == {"id": "t1", "strategies": ["arb"], "to": {"engine": "e2"}, "drain_ms": 100, "take_back_s": 10,
                               "undrained": "refuse"}


@pytest.mark.parametrize("verb", ["transfer", "resume"])
def test_a_transfer_that_was_done_is_not_asked_for_again(played: Played, ask: Ask, verb: str) -> None:
    one = played[0]
    ask("transfer")
    one.asked.clear()
    found = ask(verb)
    assert (found["changed"], found["outcome"], one.asked) == (False, "done", [])


@pytest.mark.parametrize("verb", ["transfer", "resume"])
def test_check_mode_hands_nothing_over(played: Played, ask: Ask, verb: str) -> None:
    found = ask(verb, check=True)
    assert found["changed"]
    assert (played[0].asked, played[0].mm["holder"]) == ([], HOLDER)


def test_the_part_as_taker_of_the_same_id_is_not_taken_for_the_giver_s(played: Played, ask: Ask) -> None:
    one = played[0]
    one.note("taker", "done")
    ask("transfer")
    assert len(one.asked) == 1


@pytest.mark.parametrize("detail", [
    "armed is e2/cc, expected incarnation bb: it was restarted",
    "e2 is not armed for strategy mm under transfer t1",
    "strategy mm is held under epoch 5, expected 4",
])
def test_a_refusal_is_told_with_its_reason(played: Played, ask: Ask, detail: str) -> None:
    played[0].refusals["POST transfer"] = (409, detail)
    found = ask("transfer")
    assert found["msg"] == f"engine e1: transfer t1 refused, it holds as before: {detail}"
    assert found["outcome"] == "unknown"


def test_a_giver_that_thawed_holds_as_before_and_may_be_asked_again(played: Played, ask: Ask) -> None:
    one = played[0]
    hand_over = one.acts["POST transfer"]
    one.acts["POST transfer"] = lambda body: one.note("giver", "refused", detail="3 orders of strategy mm not answered: thawed", **body)
    found = ask("transfer")
    assert found["msg"] == "engine e1: transfer t1 refused, it holds as before: 3 orders of strategy mm not answered: thawed"
    assert found["outcome"] == "refused"
    one.acts["POST transfer"] = hand_over
    assert ask("resume")["outcome"] == "done"


def test_a_transfer_in_doubt_is_no_refusal(played: Played, ask: Ask) -> None:
    one = played[0]

    def doubt(body: dict[str, Any]) -> dict[str, Any]:
        one.refusals["POST transfer"] = (503, "the handover has an unknown outcome")
        return one.note("giver", "in doubt", detail="connection lost", **body)

    one.acts["POST transfer"] = doubt
    found = ask("transfer", wait_s=_LITTLE_S)
    assert "transfer t1 is in doubt (connection lost); it stays frozen until the rows tell; ask again with verb: resume" in found["msg"]
    assert (found["failed"], found["outcome"]) == (True, "in doubt")
    assert "holds as before" not in found["msg"]
    assert "is in doubt" in ask("resume", wait_s=_LITTLE_S)["msg"]


@pytest.mark.parametrize("before", ["under way", "in doubt"])
def test_resume_waits_for_what_is_under_way_and_asks_for_nothing(played: Played, ask: Ask, before: str) -> None:
    one = played[0]
    one.note("giver", before)
    one.later["GET transfer"] = [lambda: None, lambda: None, lambda: one.note("giver", "done")]
    found = ask("resume")
    assert (found["changed"], found["outcome"], one.asked) == (False, "done", [])


def test_resume_asks_again_when_the_giver_thawed(played: Played, ask: Ask) -> None:
    one = played[0]
    one.note("giver", "in doubt")
    one.later["GET transfer"] = [lambda: None, lambda: one.note("giver", "refused", detail="thawed after a beat of our own")]
    found = ask("resume")
    assert (found["changed"], found["outcome"], len(one.asked)) == (True, "done", 1)


def test_resume_asks_where_nothing_is_known(played: Played, ask: Ask) -> None:
    assert (ask("resume")["outcome"], len(played[0].asked)) == ("done", 1)


def test_the_outcome_counts_when_the_answer_was_lost(played: Played, ask: Ask) -> None:
    one = played[0]
    one.lost["POST transfer"] = 1
    found = ask("transfer")
    assert (found["changed"], found["outcome"], len(one.asked)) == (True, "done", 1)
    assert one.mm["holder"] == OTHER


def test_a_lost_answer_is_waited_for_until_the_giver_tells(played: Played, ask: Ask) -> None:
    one = played[0]
    one.lost["POST transfer"] = 1
    one.acts["POST transfer"] = lambda _body: {}
    one.later["GET transfer"] = [
        lambda: None,  # the look before the request
        lambda: None,  # the engine still looks for the taker: no record yet
        lambda: one.note("giver", "under way"),
        lambda: one.deaf.update({"GET transfer": 1}),
        lambda: one.note("giver", "in doubt"),
        lambda: one.note("giver", "done"),
    ]
    found = ask("transfer")
    assert (found["outcome"], one.later["GET transfer"]) == ("done", [])


def test_a_refusal_that_comes_after_a_lost_answer_is_told(played: Played, ask: Ask) -> None:
    one = played[0]
    one.lost["POST transfer"] = 1
    one.acts["POST transfer"] = lambda body: one.note("giver", "refused", detail="thawed", **body)
    found = ask("transfer")
    assert (found["outcome"], found["detail"]) == ("refused", "thawed")
    assert "refused, it holds as before" in found["msg"]


def test_a_lost_answer_without_a_record_is_no_refusal(played: Played, ask: Ask) -> None:
    played[0].deaf["POST transfer"] = 1
    found = ask("transfer", wait_s=_LITTLE_S)
    assert "the giver does not tell what became of it" in found["msg"]
    assert "status.yml, then verb: resume" in found["msg"]
    assert "holds as before" not in found["msg"]


def test_the_record_of_an_earlier_attempt_is_no_answer_to_this_one(played: Played, ask: Ask) -> None:
    one = played[0]
    one.note("giver", "refused", detail="thawed")
    one.deaf["POST transfer"] = 1
    found = ask("transfer", wait_s=_LITTLE_S)
    assert "the giver does not tell what became of it" in found["msg"]
    assert "holds as before" not in found["msg"]


def test_a_giver_that_falls_silent_is_no_refusal(played: Played, ask: Ask) -> None:
    one = played[0]
    one.lost["POST transfer"] = 1
    one.later["POST transfer"] = [lambda: one.deaf.update({"GET transfer": 9999})]
    found = ask("transfer", wait_s=_LITTLE_S)
    assert "the giver does not tell what became of it (engine API" in found["msg"]
    assert found["outcome"] == "unknown"


def test_a_refused_look_does_not_end_the_wait(played: Played, ask: Ask) -> None:
    one = played[0]
    one.later["POST transfer"] = [lambda: one.refusals.update({"GET transfer": (429, "too many requests")})]
    one.later["GET transfer"] = [lambda: None, lambda: None, one.refusals.clear]
    assert ask("transfer")["outcome"] == "done"


def test_a_transfer_that_is_still_under_way_is_no_refusal(played: Played, ask: Ask) -> None:
    one = played[0]
    one.acts["POST transfer"] = lambda body: one.note("giver", "under way", **body)
    found = ask("transfer", wait_s=_LITTLE_S)
    assert (found["failed"], found["outcome"]) == (True, "under way")
    assert "is still under way" in found["msg"]
    assert "holds as before" not in found["msg"]


@pytest.mark.parametrize("verb", ["transfer", "resume"])
@pytest.mark.parametrize("outcome", ["taken back", "failed"])
def test_an_id_whose_handover_came_to_nothing_is_not_used_again(played: Played, ask: Ask, verb: str, outcome: str) -> None:
    one = played[0]
    one.note("giver", outcome, detail="e2/bb could not fence")
    found = ask(verb)
    assert f"transfer t1 {outcome} before (e2/bb could not fence); an id is used once" in found["msg"]
    assert (found["outcome"], one.asked) == (outcome, [])


def test_a_handover_that_comes_to_nothing_meanwhile_is_a_failure(played: Played, ask: Ask) -> None:
    one = played[0]
    one.acts["POST transfer"] = lambda body: one.note("giver", "taken back", detail="e2/bb could not fence", **body)
    found = ask("transfer")
    assert "transfer t1 taken back (e2/bb could not fence)" in found["msg"]
    assert "refused" not in found["msg"]


# ---- prove ------------------------------------------------------------------------------------------------------------


def test_orders_under_the_new_epoch_are_the_proof(played: Played, ask: Ask) -> None:
    _took(played[0], 5)
    found = ask("prove")
    assert (found["changed"], found["outcome"]) == (False, "done")
    assert found["accepted"]["mm"] == {"epoch": 5, "first_venue_ns": 30, "last_venue_ns": 30}
    assert played[0].asked == []


@pytest.mark.parametrize(("epoch", "first", "trading"), [(4, 30, True), (5, 0, True), (5, 30, False)])
def test_orders_of_an_older_epoch_none_and_those_of_an_engine_that_stopped_prove_nothing(
        played: Played, ask: Ask, epoch: int, first: int, trading: bool) -> None:
    _took(played[0], epoch, first)
    played[0].mm["trading"] = trading
    found = ask("prove", wait_s=_LITTLE_S)
    assert found["msg"] == ("engine e1: transfer t1 is done, no order of mm accepted within 0.05 s "
                            "(no hindrance known; is the market moving?)")


def test_an_engine_that_trades_by_another_transfer_proves_nothing(played: Played, ask: Ask) -> None:
    _took(played[0], 5)
    assert "transfer t2 is unknown, no order of any strategy accepted" in ask("prove", id="t2", wait_s=_LITTLE_S)["msg"]


def test_the_first_orders_are_waited_for(played: Played, ask: Ask) -> None:
    one = _taker(played)
    one.note("taker", "armed")
    one.later["GET status"] = [lambda: None, lambda: _took(one, 0, 0), lambda: _took(one, 4), lambda: _took(one, 5)]
    assert ask("prove")["outcome"] == "done"
    assert one.later["GET status"] == []


def test_every_strategy_that_moves_must_be_proven_and_no_other(played: Played, ask: Ask) -> None:
    one = played[0]
    _took(one, 5)
    one.own(one.mm, strategy("arb", HOLDER, 5, accepted={"epoch": 0, "first_venue_ns": 0, "last_venue_ns": 0}), strategy("xs", OTHER))
    assert "failed" not in ask("prove", strategies=["mm"])
    found = ask("prove", strategies=["mm", "arb"], wait_s=_LITTLE_S)
    assert "no order of arb accepted" in found["msg"]
    assert "xs" not in found["msg"]


def test_what_is_on_paper_is_proven_by_trading_alone(played: Played, ask: Ask) -> None:
    one = played[0]
    _took(one, 5)
    never = {"epoch": 0, "first_venue_ns": 0, "last_venue_ns": 0}
    one.own(one.mm, strategy("probe", HOLDER, 5, accepted=never, paper_trading=True))
    assert "failed" not in ask("prove", strategies=["mm", "probe"])
    one.status["strategies"][1]["trading"] = False
    assert "no order of probe accepted" in ask("prove", strategies=["mm", "probe"], wait_s=_LITTLE_S)["msg"]


def test_a_restarted_taker_proves_nothing(played: Played, ask: Ask) -> None:
    one = _taker(played)
    one.mm.update(holder="e1/old", epoch=5)
    found = ask("prove", wait_s=_LITTLE_S)
    assert "transfer t1 is unknown, no order of mm accepted" in found["msg"]
    assert "mm is held by e1/old (epoch 5)" in found["msg"]


@pytest.mark.parametrize(("outcome", "detail"), [("failed", "the venue refused the fence of mm"), ("refused", "the rows are killed"),
                                                 ("disarmed", "")])
def test_a_taker_that_will_not_trade_is_not_waited_for(played: Played, ask: Ask, outcome: str, detail: str) -> None:
    one = _taker(played)
    one.note("taker", outcome, detail=detail)
    assert ask("prove")["msg"] == f"engine e1: transfer t1 {outcome}: {detail}"
    assert one.seen["GET status"] == 1


def test_check_mode_proves_nothing_and_does_not_wait(played: Played, ask: Ask) -> None:
    found = ask("prove", check=True)
    assert (found["changed"], found["outcome"], found["record"]) == (False, "unknown", {})
    assert played[0].seen.total() == 0


# ---- status and input -------------------------------------------------------------------------------------------------


def test_status_tells_what_this_engine_knows_of_that_id(played: Played, ask: Ask) -> None:
    one = played[0]
    one.note("giver", "refused", id="t0", detail="of another")
    assert ask("status")["record"] == {}
    one.note("giver", "refused", detail="thawed")
    found = ask("status")
    assert (found["outcome"], found["detail"], found["record"]["id"], found["changed"]) == ("refused", "thawed", "t1", False)


@pytest.mark.parametrize("verb", ["plan", "arm", "transfer", "resume", "abort", "status", "prove"])
def test_an_engine_that_does_not_answer_is_a_failure(ask: Ask, verb: str) -> None:
    found = ask(verb, port=1)
    assert "Connection refused" in found["msg"]
    assert (found["outcome"], found["record"]) == ("unknown", {})


@pytest.mark.parametrize(("options", "said"), [
    ({"id": ""}, "id '': expected 1 to 64 letters"),
    ({"id": "a" * 65}, "expected 1 to 64 letters"),
    ({"id": "a b"}, "id 'a b': expected"),
    ({"id": "a/b"}, "id 'a/b': expected"),
    ({"id": "a\n"}, "expected 1 to 64 letters"),
    ({"drain_ms": 0}, "drain_ms 0: expected 1 to 60000"),
    ({"drain_ms": 60_001}, "drain_ms 60001: expected 1 to 60000"),
    ({"take_back_s": -1}, "take_back_s -1: expected 0 to 3600"),
    ({"expires_s": 0}, "expires_s 0: expected 1 to 3600"),
    ({"wait_s": -1}, "wait_s -1.0: expected 0.01 to 3600"),
    ({"wait_s": "inf"}, "wait_s inf: expected 0.01 to 3600"),
    ({"expect": {"epochs": {"mm": "four"}}}, "expect.epochs.mm 'four': expected a number"),
    ({"expect": {"epochs": {"mm": -1}}}, "expect.epochs.mm -1: expected a number"),
    ({"on_undrained": "refuse"}, "value of on_undrained must be one of: abort, hand_over"),
    ({"to": {"incarnation": "bb"}}, "missing required arguments: engine"),
    ({"to": None}, "to.engine: required with verb transfer"),
    ({"to": {"engine": ""}}, "to.engine: required with verb transfer"),
    ({"api_url": "ftp://h"}, "expected http://HOST:PORT"),
])
def test_input_that_no_engine_takes_is_refused_before_anything_is_asked(
        played: Played, ask: Ask, options: dict[str, Any], said: str) -> None:
    assert said in ask("transfer", **options)["msg"]
    assert played[0].seen.total() == 0


@pytest.mark.parametrize("verb", ["plan", "arm", "transfer", "prove"])
def test_a_strategy_that_the_engine_does_not_have_is_named(played: Played, ask: Ask, verb: str) -> None:
    one = played[0]
    assert ask(verb, strategies=["mm", "xx"])["msg"] == "strategies xx: not on engine e1; it has mm"
    one.own()
    assert ask(verb)["msg"] == "engine e1: has no strategy to move"
    assert one.asked == []


# ---- the client -------------------------------------------------------------------------------------------------------


def test_a_record_is_the_newest_of_its_id_and_part(played: Played) -> None:
    one, api = played
    one.records = [{"id": "t1", "part": "giver", "n": 1}, {"id": "t1", "part": "giver", "n": 2}, {"id": "t1", "part": "taker", "n": 3}]
    assert [(api.transfer_record("t1", part) or {}).get("n") for part in ("giver", "taker", "")] == [2, 3, 3]
    assert api.transfer_record("t2") is None


def test_the_client_sends_what_the_engine_expects(played: Played) -> None:
    one, api = played
    one.acts |= {"POST reconcile": lambda _body: {"equal": True}, "POST flatten": lambda _body: {"flat": False}}
    assert api.reconcile([], 5) == {"equal": True}
    api.reconcile(["mm"], 5)
    assert api.flatten("end of day", [], 0) == {"flat": False}
    api.flatten("end of day", ["mm"], 1)
    api.latch("why")
    api.unlatch("why", "mm")
    assert one.asked == [
        ("POST reconcile", {}), ("POST reconcile", {"strategies": ["mm"]}), ("POST flatten", {"reason": "end of day", "wait_s": 0}),
        ("POST flatten", {"reason": "end of day", "wait_s": 1, "strategies": ["mm"]}), ("POST killswitch", {"reason": "why"}),
        ("DELETE killswitch", {"reason": "why", "strategy": "mm"}),
    ]


def test_orders_are_counted_by_what_became_of_them(played: Played) -> None:
    one, api = played
    one.counts = {"accepted": {"mm": 7, "arb": 1}, "rejected": {"mm": 2}, "filled": {"mm": 3}}
    assert api.order_counts() == {"accepted": {"mm": 7, "arb": 1}, "rejected": {"mm": 2}, "filled": {"mm": 3}}
    assert api.accepted_orders() == {"mm": 7, "arb": 1}
    one.refusals["GET metrics"] = (429, "too many requests")
    with pytest.raises(EngineRefused, match="GET /api/v1/metrics: 429 too many requests"):
        api.order_counts()
