# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that cannot be reached is shut out and its strategies are taken over by hand; the venue's log says that nobody traded twice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from conftest import api, eventually, on, sql, truth_of
from venue_truth import Truth

from lab import playbook

_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"
_POWER = {"fence_command": ["docker", "kill", "{host}"], "fence_proof": "^[0-9a-f]+$",
          "fence_proof_command": ["docker", "ps", "--all", "--quiet", "--filter", "name=^{host}$", "--filter", "status=exited"]}


def _run(name: str, *, fails: bool = False, **variables: object) -> str:
    done = playbook.run(name, "-e", json.dumps(variables), record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def _holders() -> set[str]:
    return {holder.partition("/")[0] for _strategy, holder in sql("SELECT strategy, holder FROM engine_lease")}


def _state(host: str) -> str:
    done = subprocess.run(["docker", "inspect", "--format", "{{.State.Status}}", host], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def truth(demo: dict) -> Iterator[Truth]:
    """Afterwards the venue's log is read from here on: nobody traded twice, and every order stands in the database once."""
    with truth_of(stale_refused=True) as log:
        yield log


def _back(host: str) -> None:
    """The lost one comes back as standby, and trading goes back to it."""
    eventually(f"{host} answers as standby", lambda: api(host, "status")["database"]["connected"], 90)
    eventually("both standbys stream", lambda: sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == [["2"]], 90)
    assert api(host, "status")["role"] == "standby"
    _run("transfer", transfer_to=host)
    assert _holders() == {host}


@pytest.mark.long
def test_an_engine_that_holds_and_answers_is_no_failover(demo: dict) -> None:
    assert f"{_BLUE}: answers, and holds" in _run("failover", failover_from=_BLUE, fails=True)
    assert "holds nothing: nothing to take over" in _run("failover", failover_from=_GREEN)


@pytest.mark.long
def test_a_host_that_cannot_be_reached_is_powered_off_and_taken_over(truth: Truth) -> None:
    """Frozen, as one that hangs: its sockets stay open, and it would go on where it stood. Powered off, it does not."""
    eventually(f"{_BLUE} is frozen", lambda: subprocess.run(["docker", "pause", _BLUE], capture_output=True).returncode == 0)
    try:
        said = _run("failover", failover_from=_BLUE, **_POWER)
        assert f"{_BLUE} is shut out: it was seen to be off" in said
        assert _state(_BLUE) == "exited"
        assert _holders() == {_GREEN}
        assert all(one["trading"] for one in api(_GREEN, "status")["strategies"])
        assert sql("SELECT verdict FROM deployment_record WHERE record->>'action' = 'failover'")[-1] == ["done"]
    finally:
        if _state(_BLUE) == "paused":
            _docker("unpause", _BLUE)
        if _state(_BLUE) != "running":
            _docker("start", _BLUE)
    _back(_BLUE)


@pytest.mark.long
def test_what_nothing_shuts_out_is_refused(demo: dict) -> None:
    """Its venue has no fence, and nobody saw it off: the other one does not take over, unless a person gives their word."""
    weak = [{"name": "paper", "fence": "none"}]
    _docker("kill", _BLUE)
    try:
        said = _run("failover", failover_from=_BLUE, engine_venues=weak, fails=True)
        assert "was not seen" in said or "nothing can power it off" in said
        assert "not every venue refuses lower epochs" in said
        assert _holders() == {_BLUE}
        said = _run("failover", failover_from=_BLUE, engine_venues=weak, failover_confirmed="the rack has no power")
        assert "a person says so: the rack has no power" in said
        assert _holders() == {_GREEN}
    finally:
        _docker("start", _BLUE)
    _back(_BLUE)


@pytest.mark.long
def test_an_engine_that_hangs_on_a_host_that_answers_is_ended(truth: Truth) -> None:
    on(_BLUE, "systemctl kill --signal=STOP --kill-whom=all hft_system")
    said = _run("failover", failover_from=_BLUE)
    assert f"{_BLUE} is shut out: it was seen to be off" in said or f"{_BLUE} is shut out: its engine has ended" in said
    assert _holders() == {_GREEN}
    _back(_BLUE)
