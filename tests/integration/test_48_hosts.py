# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is replaced by new metal under its name, and one is retired; lease rows, database and Prometheus' targets have the last word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import api, eventually, on, sql

from lab import hosts, inventory, playbook, ssh_keys
from lab.command import run
from lab.paths import BUILD, INVENTORY, STATE

pytestmark = pytest.mark.long

_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"
_PINS = STATE / "ssh" / "known_hosts"
_CONFIRMED = "the rack shows an empty place"


def _run(name: str, *, fails: bool = False, check: bool = False, **variables: object) -> str:
    done = playbook.run(name, *(["--check"] if check else []), "-e", json.dumps(variables), record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _public(name: str) -> str:
    return " ".join(ssh_keys.host(name).with_name(name + ".pub").read_text().split()[:2])


def _epochs() -> list[list[str]]:
    return sql("SELECT strategy, split_part(holder, '/', 1), epoch FROM engine_lease ORDER BY 1")


def _slots() -> list[str]:
    return [row[0] for row in sql("SELECT slot_name FROM pg_replication_slots ORDER BY 1")]


def _streams() -> list[str]:
    return [row[0] for row in sql("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1")]


def _targets() -> str:
    return on("hft-mon-01", "cat /etc/prometheus/targets/*.json")


@pytest.fixture
def new_metal(demo: dict) -> Path:
    """The green host is gone; another stands at its address, with a host key of its own. What is pinned is the old one's still."""
    pinned = _PINS.read_text()
    run("docker", "rm", "--force", "--volumes", _GREEN, fix="run it again")
    for key in (ssh_keys.host(_GREEN), ssh_keys.host(_GREEN).with_name(_GREEN + ".pub")):
        key.unlink()
    network, every = inventory.read(INVENTORY)
    hosts.up(network, [host for host in every if host.name == _GREEN])
    _PINS.write_text(pinned)
    return _PINS


def test_a_host_that_is_there_or_holds_trading_is_not_replaced(demo: dict) -> None:
    before, pinned = _epochs(), _PINS.read_text()
    wish = {"replace_confirmed": _CONFIRMED, "replace_known_hosts": str(_PINS)}
    said = _run("host_replace", fails=True, replace_host=_GREEN, replace_key=_public(_BLUE), **wish)
    assert "slot hft_prod_02 on hft-db-01 is in use, so its server still follows; power it off" in said
    said = _run("host_replace", fails=True, replace_host=_BLUE, replace_key=_public(_BLUE), **wish)
    assert "its engine holds mm-btc-usd, mm-eth-usd; move it away first (drain.yml -e drain_host=hft-prod-01)" in said
    assert "expected the name of one host" in _run("host_replace", fails=True, replace_host="hft-prod-0", replace_key="x")
    assert (_epochs(), _PINS.read_text()) == (before, pinned)


def test_new_metal_takes_the_place_of_a_host_while_the_other_trades(new_metal: Path) -> None:
    before, pinned = _epochs(), _PINS.read_text()
    wish = {"replace_host": _GREEN, "replace_key": _public(_GREEN), "replace_confirmed": _CONFIRMED, "replace_known_hosts": str(_PINS),
            "replace_record_dir": str(BUILD / "record"), "replace_id": "e2e-replace"}
    said = _run("host_replace", fails=True, **{**wish, "replace_key": _public(_BLUE)})
    assert "nobody answers who offers replace_key; is it the old metal" in said
    _run("host_replace", check=True, **wish)
    assert _PINS.read_text() == pinned
    assert not on(_GREEN, "ls /opt/hft_system", check=False)

    said = _run("host_replace", **wish)
    assert f"{_GREEN} is there again, as standby" in said
    assert _public(_GREEN) in _PINS.read_text()
    assert pinned not in _PINS.read_text()
    assert api(_GREEN, "status")["role"] == "standby"
    assert api(_GREEN, "status")["version"] == api(_BLUE, "status")["version"]
    eventually("it streams", lambda: _GREEN in _streams())
    assert _epochs() == before
    assert json.loads((BUILD / "record" / "e2e-replace.json").read_text())["reason"] == _CONFIRMED
    _run("transfer", transfer_to=_GREEN)
    _run("transfer", transfer_to=_BLUE)


def test_a_host_is_retired_and_comes_back_by_site(demo: dict) -> None:
    wish = {"retire_reason": "lease of the rack ends", "retire_known_hosts": str(BUILD / "known_hosts_e2e")}
    said = _run("host_retire", fails=True, retire_host=_BLUE, **wish)
    assert "its engine holds mm-btc-usd, mm-eth-usd; move it away first" in said
    assert "hft-db-01: is the database primary" in _run("host_retire", fails=True, retire_host="hft-db-01", **wish)
    before, slots = _epochs(), _slots()
    _run("host_retire", check=True, retire_host=_GREEN, **wish)
    assert _slots() == slots

    said = _run("host_retire", retire_host=_GREEN, **wish)
    assert f"{_GREEN} is out of service" in said
    assert _epochs() == before
    assert "hft_prod_02" not in _slots()
    assert _GREEN not in sql("SHOW synchronous_standby_names")[0][0]
    assert _GREEN not in _targets()
    assert on(_GREEN, "systemctl is-enabled hft_system postgresql", check=False).split() == ["disabled", "disabled"]
    assert on(_GREEN, "systemctl is-active hft_system postgresql@17-main", check=False).split() == ["inactive", "inactive"]
    assert not [line for line in sql("SHOW synchronous_standby_names", _BLUE) if _GREEN in line[0]]

    _run("site")
    _run("database_rejoin")
    eventually("it streams again", lambda: _GREEN in _streams())
    assert _GREEN in _targets()
