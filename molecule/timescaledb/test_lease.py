# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema's own promises, asked of a real primary with its synchronous standbys: who may take a lease, what a transfer moves and
what it leaves, and that budgets never add up to more than their account has, however many write at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

testinfra_hosts = ["mol-01"]

_STRATEGIES = ("trial-a", "trial-b")


def _psql(host, statements: str, role: str = "hft_user"):
    """All statements as one transaction of the role; the engine's by default."""
    return host.run("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d hft_db -c %s", f"SET ROLE {role}; {statements}")


def _ask(host, statements: str, role: str = "hft_user") -> list[str]:
    done = _psql(host, statements, role)
    assert done.rc == 0, done.stderr
    return done.stdout.splitlines()


def _refused(host, statements: str, role: str = "hft_user") -> str:
    done = _psql(host, statements, role)
    assert done.rc != 0, done.stdout
    return done.stderr


def _rows(host) -> list[str]:
    return _ask(host, "SELECT strategy, holder, epoch, beat, killed FROM engine_lease WHERE strategy LIKE 'trial-%' ORDER BY 1")


def _items(host, *strategies: str, **changes: int) -> str:
    """What the giver of these rows sends, with its final state."""
    rows = (line.split("|") for line in _rows(host))
    state = {"symbol": "BTC-USD", "quantity": 1_500_000, "average_price": 50_000.0, "realised": 12.5, "day": 20_000, "day_start": 0.0,
             "fill_id": 7, "ns": 1_700_000_000_000_000_000}
    items = [{"strategy": name, "epoch": int(epoch), "beat": int(beat), **state, **changes}
             for name, _holder, epoch, beat, _killed in rows if name in strategies]
    return json.dumps(items).replace("'", "''")


def _arm(strategies=_STRATEGIES, taker="green/2", transfer="t1") -> str:
    return f"SELECT count(*) FROM lease_arm('{transfer}', '{taker}', '1.0', ARRAY[{', '.join(repr(name) for name in strategies)}])"


def _transfer(items: str, to="green/2", transfer="t1", giver="blue/1") -> str:
    return f"SELECT strategy, holder, epoch FROM lease_hand_over('{transfer}', '{giver}', '{to}', '{items}')"


@pytest.fixture
def held(host):
    """Two strategies, held by blue at epoch 1."""
    for name in _STRATEGIES:
        _ask(host, f"SELECT lease_register('{name}', 60000, ARRAY['paper'])")
        assert len(_ask(host, f"SELECT lease_claim('{name}', NULL, 0, 0, 'blue/1', 1, 60000, ARRAY['paper'])")) == 1
    yield
    _ask(host, "DELETE FROM positions WHERE strategy LIKE 'trial-%'; DELETE FROM engine_lease WHERE strategy LIKE 'trial-%';"
               " DELETE FROM engine_transfer WHERE giver IN ('blue/1', 'red/3')", "hft_owner")


@pytest.mark.usefixtures("held")
def test_a_transfer_moves_all_its_rows_their_state_and_their_epochs(host) -> None:
    assert _ask(host, _arm()) == ["2"]
    items = _items(host, *_STRATEGIES)
    assert _ask(host, _transfer(items)) == ["trial-a|green/2|2", "trial-b|green/2|2"]
    accept = ("SELECT (lease).strategy, (lease).beat, quantity, last_fill_id"
              f" FROM lease_accept('t1', 'green/2', '{_items(host, *_STRATEGIES)}')")
    first = _ask(host, accept)
    assert [line.split("|")[0::2] for line in first] == [["trial-a", "1500000"], ["trial-b", "1500000"]]
    assert _ask(host, accept) == [], "a beat is acknowledged once"
    assert "engine_transfer_pkey" in _refused(host, _transfer(items)), "an id is used once"
    assert "carried out already" in _refused(host, _arm(taker="blue/4"))


@pytest.mark.usefixtures("held")
def test_the_handover_writes_down_what_it_did_and_a_refused_one_nothing(host) -> None:
    recorded = "SELECT giver, taker, returned, rows->0->>'strategy', rows->1->>'epoch' FROM engine_transfer WHERE id = 't1'"
    _ask(host, _arm())
    assert "moved or is killed" in _refused(host, _transfer(_items(host, *_STRATEGIES, beat=99)))
    assert _ask(host, recorded) == []
    _ask(host, _transfer(_items(host, *_STRATEGIES)))
    assert _ask(host, recorded) == ["blue/1|green/2|f|trial-a|2"]


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("waits", "commit"), [("true", "on"), ("false", "local")])
def test_a_handover_leaves_the_wait_for_a_standby_to_the_claim_behind_it(host, waits: str, commit: str) -> None:
    _ask(host, _arm())
    handover = _transfer(_items(host, *_STRATEGIES)).replace("')", f"', {waits})")
    answered = _ask(host, f"{handover}; SHOW synchronous_commit")
    assert [line for line in answered if line in ("on", "local")] == [commit]
    assert _ask(host, "SHOW synchronous_commit") == ["on"], "of that transaction alone"


@pytest.mark.usefixtures("held")
def test_settling_waits_behind_the_handover_and_knows_no_other(host) -> None:
    _ask(host, _arm())
    assert _ask(host, "SELECT lease_settle('t1')") == []
    _ask(host, _transfer(_items(host, *_STRATEGIES)).replace("')", "', false)"))
    assert _ask(host, "SELECT lease_settle('t1'); SHOW synchronous_commit") == ["t1", "on"]
    assert _ask(host, "SELECT settled FROM engine_transfer WHERE id = 't1'") == ["t"]


@pytest.mark.usefixtures("held")
def test_an_armed_taker_beats_and_says_its_build(host) -> None:
    _ask(host, _arm())
    assert _ask(host, "SELECT lease_arm_beat('t1', 'green/2')") == ["1", "1"]
    assert _ask(host, "SELECT DISTINCT build, beat FROM engine_arm WHERE transfer_id = 't1'") == ["1.0|1"]
    assert _ask(host, "SELECT lease_arm_beat('t1', 'red/3')") == []


@pytest.mark.usefixtures("held")
def test_what_a_taker_returns_is_vacant_and_marked(host) -> None:
    _ask(host, _arm())
    _ask(host, _transfer(_items(host, *_STRATEGIES)))
    back = f"SELECT strategy, holder IS NULL, epoch FROM lease_return('t1', '%s', '{_items(host, *_STRATEGIES)}')"
    assert _ask(host, back % "red/3") == [], "only the holder returns"
    assert _ask(host, back % "green/2") == ["trial-a|t|2", "trial-b|t|2"]
    assert _ask(host, "SELECT returned FROM engine_transfer WHERE id = 't1'") == ["t"]


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("items", "to", "transfer", "giver", "named"), [
    ({}, "red/3", "t1", "blue/1", "red/3 is not armed"),
    ({}, "green/2", "t2", "blue/1", "is not armed"),
    ({"epoch": 9}, "green/2", "t1", "blue/1", "is not armed"),
    ({}, "green/2", "t1", "red/3", "moved or is killed"),
    ({"beat": 99}, "green/2", "t1", "blue/1", "moved or is killed"),
])
def test_a_transfer_that_does_not_fit_moves_nothing(host, items: dict, to: str, transfer: str, giver: str, named: str) -> None:
    _ask(host, _arm())
    before = _rows(host)
    assert named in _refused(host, _transfer(_items(host, *_STRATEGIES, **items), to, transfer, giver))
    assert _rows(host) == before
    assert _ask(host, "SELECT count(*) FROM engine_arm WHERE transfer_id = 't1'") == ["2"], "the arm stands, so it can be tried again"


@pytest.mark.usefixtures("held")
def test_one_killed_row_keeps_the_others_of_its_transfer(host) -> None:
    _ask(host, _arm())
    items = _items(host, *_STRATEGIES)
    _ask(host, "SELECT lease_kill('trial-b', 'trial')")
    assert "the row of trial-b moved or is killed" in _refused(host, _transfer(items))
    assert _rows(host)[0].startswith("trial-a|blue/1|1|")


@pytest.mark.usefixtures("held")
def test_nobody_is_armed_for_a_row_that_cannot_be_given(host) -> None:
    assert "trial-a is held by the taker itself" in _refused(host, _arm(taker="blue/1"))
    _ask(host, "SELECT lease_kill('trial-b', 'trial')")
    assert "trial-b is killed" in _refused(host, _arm())
    assert "trial-x has no row" in _refused(host, _arm(("trial-a", "trial-x")))
    assert _ask(host, "SELECT count(*) FROM engine_arm") == ["0"]


@pytest.mark.usefixtures("held")
def test_after_disarm_no_transfer_arrives_and_a_later_arm_replaces_an_earlier_one(host) -> None:
    _ask(host, _arm())
    assert _ask(host, "SELECT lease_disarm('t1', 'green/2')") == ["2"]
    assert "is not armed" in _refused(host, _transfer(_items(host, *_STRATEGIES)))
    _ask(host, _arm())
    _ask(host, _arm(("trial-b",), "red/3", "t2"))
    assert "is not armed for trial-b" in _refused(host, _transfer(_items(host, *_STRATEGIES)))
    assert _ask(host, _transfer(_items(host, "trial-b"), "red/3", "t2")) == ["trial-b|red/3|2"]


@pytest.fixture
def account(host):
    _ask(host, "INSERT INTO risk_account VALUES ('trial', 1000, 100)", "hft_owner")
    yield
    _ask(host, "DELETE FROM risk_budget WHERE account = 'trial'; DELETE FROM risk_account WHERE account = 'trial'", "hft_owner")


def _budget(strategy: str, notional: int, loss: int = 10) -> str:
    return ("INSERT INTO risk_budget (strategy, account, max_notional_usd, daily_loss_usd)"
            f" VALUES ('{strategy}', 'trial', {notional}, {loss})"
            " ON CONFLICT (strategy) DO UPDATE SET max_notional_usd = excluded.max_notional_usd, daily_loss_usd = excluded.daily_loss_usd")


@pytest.mark.usefixtures("account")
def test_budgets_never_add_up_to_more_than_the_account_has(host) -> None:
    _ask(host, f"{_budget('trial-a', 600)}; {_budget('trial-b', 400)}", "hft_owner")
    assert "max_notional_usd adds up to 1001" in _refused(host, _budget("trial-b", 401), "hft_owner")
    assert "daily_loss_usd adds up to 101" in _refused(host, _budget("trial-b", 400, 91), "hft_owner")
    lower = "UPDATE risk_account SET max_notional_usd = 999 WHERE account = 'trial'"
    assert "max_notional_usd adds up to 1000" in _refused(host, lower, "hft_owner")
    _ask(host, f"{_budget('trial-b', 900)}; {_budget('trial-a', 100)}", "hft_owner")
    assert _ask(host, "SELECT sum(max_notional_usd) FROM risk_budget WHERE account = 'trial'") == ["1000.00"]


@pytest.mark.usefixtures("account")
def test_of_eight_that_write_at_once_only_those_that_fit_succeed(host) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: _psql(host, f"{_budget(f'trial-{i}', 300)}; SELECT pg_sleep(0.2)", "hft_owner").rc, range(8)))
    assert done.count(0) == 3
    assert _ask(host, "SELECT sum(max_notional_usd) FROM risk_budget WHERE account = 'trial'") == ["900.00"]


@pytest.mark.usefixtures("account")
def test_the_engine_reads_its_budget_and_cannot_raise_it(host) -> None:
    _ask(host, _budget("trial-a", 600), "hft_owner")
    assert _ask(host, "SELECT max_notional_usd FROM risk_budget WHERE strategy = 'trial-a'") == ["600.00"]
    assert "permission denied" in _refused(host, _budget("trial-a", 700))
    assert "permission denied" in _refused(host, "UPDATE engine_lease SET epoch = epoch + 1")
