# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine is asked what it is, made to trade, killed, and given what it must refuse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
import yaml
from patience import until

testinfra_hosts = ["mol-01"]

_ROOT = Path(__file__).resolve().parents[2]
_HOME = "/opt/hft_system"
_PASSWORD = yaml.safe_load((_ROOT / "molecule/engine/variables.yml").read_text())["timescaledb_engine_password"]


def _status(host) -> dict:
    code = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/api/v1/status', timeout=5).read().decode())"
    return json.loads(host.check_output("python3 -c %s", code))


def _playbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["ansible-playbook", f"--inventory={_ROOT}/molecule/inventory", *arguments]
    # molecule forces colour, which would stand between the words that are looked for.
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(argv, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)


def _trading(action: str, *more: str) -> str:
    done = _playbook(str(_ROOT / "playbooks/trading.yml"), "-e", "trading_hosts=mol-01", "-e", f"trading_action={action}", *more)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, said
    return said


def _converge(**extra: object) -> tuple[int, str]:
    """The engine's part of the converge with other variables; returns its exit status and what it said, on one line."""
    done = _playbook(str(_ROOT / "molecule/engine/converge.yml"), "-e", json.dumps(extra), "--limit", "mol-build,mol-01",
                     "--tags", "engine_build,engine")
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def _fingerprint(host) -> str:
    """Everything on the host that a refused run must leave as it is."""
    return host.check_output(
        f"find {_HOME} /etc/systemd/system/hft_system.service -not -path '{_HOME}/data*' -printf '%p %l %m %u %T@\\n' | sort | sha256sum;"
        "systemctl show --property MainPID hft_system.service")


@pytest.fixture(scope="module", autouse=True)
def nobody_trades():
    """Where the tests begin, and what they leave."""
    _trading("stop")
    yield
    _trading("stop")


@pytest.fixture
def trading(host):
    """The engine trades; the tests after this one may find it trading too."""
    if _status(host)["role"] != "primary":
        _trading("start", "-e", "trading_engine=mol-01")


@pytest.mark.parametrize(("path", "kind", "owner", "mode"), [
    (_HOME, "directory", "root", 0o755),
    (f"{_HOME}/releases", "directory", "root", 0o755),
    (f"{_HOME}/config", "directory", "root", 0o750),
    (f"{_HOME}/config/production.json", "regular file", "hft_user", 0o640),
    (f"{_HOME}/.env", "regular file", "hft_user", 0o600),
    (f"{_HOME}/data", "directory", "hft_user", 0o750),
    (f"{_HOME}/current", "symbolic link", "root", 0o777),
    (f"{_HOME}/bin", "symbolic link", "root", 0o777),
    ("/opt/paper_venue/config/venue.json", "regular file", "paper_venue", 0o640),
    ("/var/log/paper_venue", "directory", "paper_venue", 0o755),
])
def test_owner_and_mode(host, path: str, kind: str, owner: str, mode: int) -> None:
    assert host.check_output(f"stat -c '%F %U %a' {path}") == f"{kind} {owner} {mode:o}"


@pytest.mark.parametrize("home", [_HOME, "/opt/paper_venue"])
def test_release_is_what_its_manifest_says_and_the_engine_cannot_change_it(host, home: str) -> None:
    host.check_output(f"cd {home}/current && sha256sum --check --strict --quiet MANIFEST.sha256")
    assert host.check_output(f"find {home}/releases -not -user root -o -perm /022 -not -type l") == ""


def test_release_is_stripped_and_its_symbols_stay_on_the_control_node(host) -> None:
    version = _status(host)["version"]
    with tarfile.open(_ROOT / f"build/releases/hft_system-{version}-dbgsym.tar.gz") as symbols:
        kept = sorted(Path(name).name for name in symbols.getnames())
    programs = host.check_output(f"find {_HOME}/releases/{version}/bin {_HOME}/releases/{version}/lib -type f").split()
    assert [program for program in programs if host.run(f"grep -qaF .debug_info {program}").rc != 1] == []
    links = [host.check_output(f"grep -aoE '[0-9a-f]{{38}}[.]debug' {program}") for program in programs]
    assert sorted(links) == kept


def test_bill_of_materials_names_every_library_that_is_loaded_here(host) -> None:
    release = f"{_HOME}/releases/{_status(host)['version']}"
    bill = json.loads(host.file(f"{release}/bill_of_materials.json").content_string)
    assert bill["metadata"]["component"] == {"type": "application", "name": "hft_system", "version": _status(host)["version"]}
    named = {one["value"] for component in bill["components"] for one in component["properties"] if one["name"] == "hft.ops:file"}
    loaded = re.findall(r"([^\s/]+) \(0x", host.check_output(f"find {release}/bin {release}/lib -type f -exec ldd {{}} +"))
    assert set(loaded) - {"linux-vdso.so.1"} <= named
    used = {component["name"]: [one["value"] for one in component["properties"] if one["name"] == "hft.ops:use"]
            for component in bill["components"]}
    assert (used["libpq5"], used["nlohmann-json3-dev"]) == (["shared"], ["headers"])


def test_calls_that_change_something_are_recorded(host) -> None:
    host.check_output(f"{_HOME}/bin/hft_ctl standby")
    log = host.file("/var/log/hft_system/audit.log")
    assert (log.user, log.mode) == ("hft_user", 0o600)
    call = json.loads(log.content_string.splitlines()[-1])
    assert (call["event"], call["client"], call["path"], call["outcome"]) == ("api_call", "127.0.0.1", "/api/v1/config", "done")
    assert call["request"] == {"role": "standby", "trading_enabled": False}


def test_engine_runs_the_release_as_standby(host) -> None:
    assert host.service("hft_system.service").is_enabled
    status = _status(host)
    assert host.check_output(f"readlink {_HOME}/current") == f"releases/{status['version']}"
    assert status["role"] == "standby"
    assert status["database"]["connected"]
    assert [one["status"] for one in status["exchanges"]] == ["connected"]


@pytest.mark.parametrize(("unit", "tenths"), [("hft_system", 20), ("paper_venue", 15)])
def test_exposure_of_the_unit(host, unit: str, tenths: int) -> None:
    host.check_output(f"systemd-analyze security --no-pager --threshold={tenths} {unit}.service")


def test_secret_is_in_its_file_and_nowhere_else(host) -> None:
    assert "DB_PASSWORD=" in host.file(f"{_HOME}/.env").content_string
    seen = host.check_output(f"ps axww -o args; cat {_HOME}/config/*.json /etc/systemd/system/hft_system.service /var/log/hft_system/*; "
                             "journalctl --no-pager -o cat")
    assert _PASSWORD not in seen


def test_start_and_stop_are_proven_and_repeatable(host) -> None:
    assert "changed=0" in _trading("status")
    assert "mol-01 : ok=4 changed=1" in _trading("start", "-e", "trading_engine=mol-01")
    status = _status(host)
    assert (status["role"], status["trading_enabled"]) == ("primary", True)
    assert status["strategies"][0]["holder"] == status["holder"]
    assert "changed=1" not in _trading("start", "-e", "trading_engine=mol-01")
    assert "mol-01 : ok=4 changed=1" in _trading("stop")
    status = _status(host)
    assert (status["role"], status["strategies"][0]["holder"]) == ("standby", None)
    assert "changed=1" not in _trading("stop")


@pytest.mark.parametrize(("arguments", "words"), [
    (["-e", "trading_engine=mol-09"], "trading_engine=mol-09: no such engine in this inventory; one of mol-01"),
    ([], "trading_engine: required, because nobody holds the lease; one of mol-01"),
])
def test_wish_that_cannot_be_met_is_one_line(host, arguments: list[str], words: str) -> None:
    done = _playbook(str(_ROOT / "playbooks/trading.yml"), "-e", "trading_hosts=mol-01", "-e", "trading_action=start", *arguments)
    assert done.returncode != 0
    assert words in " ".join(done.stdout.split())


def test_converge_on_a_trading_engine_changes_nothing(host, trading) -> None:
    before = _status(host)
    code, said = _converge()
    assert code == 0, said
    assert re.search(r"mol-01 : ok=\d+ changed=0 ", said), said
    after = _status(host)
    assert (after["holder"], after["role"]) == (before["holder"], "primary")


@pytest.mark.parametrize(("extra", "words"), [
    ({"engine_lease": {"ttl_ms": 2000}}, ["refused, nothing was changed", "mol-01", "mm-btc-usd", "trading_action=stop"]),
    ({"engine_database_password": "another password"}, ["refused, nothing was changed", ".env"]),
    ({"engine_lease": {"beat_ms": "soon"}}, ["/lease/beat_ms", "running program are as before"]),
    ({"engine_release_sha256": "0" * 64}, ["sha256", "0" * 64, "a release never changes"]),
])
def test_trading_engine_is_not_disturbed(host, trading, extra: dict, words: list[str]) -> None:
    before = _fingerprint(host)
    code, said = _converge(**extra)
    assert code == 2
    assert [word for word in words if word not in said] == [], said
    assert "changed=1" not in said
    assert _fingerprint(host) == before
    assert _status(host)["role"] == "primary"


def test_orders_of_the_probe_take_the_way_of_all_others_and_no_venue_sees_one(host, trading) -> None:
    ask = "python3 -c \"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9464/api/v1/metrics').read().decode())\""

    def on_paper() -> float:
        return float(host.check_output(ask).partition('\ntrading_paper_orders_total{strategy="probe-mol"} ')[2].split()[0])

    def written() -> int:
        there = host.get_host("ssh://mol-02", ssh_config=host.backend.ssh_config, sudo=True)
        asked = "SELECT count(*) FROM events WHERE kind = 'paper_order' AND strategy = 'probe-mol'"
        return int(there.check_output("cd / && runuser -u postgres -- psql -XAtq -d hft_db -c %s", asked))

    passed, kept = on_paper(), written()
    until(on_paper, lambda count: count >= passed + 4)
    until(written, lambda count: count >= kept + 4)
    seen = [json.loads(line) for line in host.check_output("grep probe-mol /var/log/paper_venue/venue.jsonl").splitlines()]
    assert "fence" in {line["ev"] for line in seen}
    assert not [line for line in seen if line["ev"] in ("accepted", "rejected", "fill")]


def test_killed_engine_comes_back_as_standby(host, trading) -> None:
    before = _status(host)
    host.check_output("systemctl kill --signal=KILL hft_system.service")
    after = until(lambda: _status(host))
    assert after["holder"] != before["holder"]
    for _ in range(10):
        assert _status(host)["role"] == "standby"
        time.sleep(0.3)


def test_release_edited_by_hand_is_named_and_mended(host) -> None:
    release = f"{_HOME}/releases/{_status(host)['version']}"
    pid = host.check_output("systemctl show --property MainPID hft_system.service")
    host.check_output(f"echo edited >> {release}/docs/openapi.yaml; touch {release}/bin/added")
    code, said = _converge()
    assert code == 0, said
    assert f"{release}/docs/openapi.yaml" in said or "changed=1" in said
    host.check_output(f"cd {release} && sha256sum --check --strict --quiet MANIFEST.sha256")
    assert not host.file(f"{release}/bin/added").exists
    assert host.check_output("systemctl show --property MainPID hft_system.service") == pid, "the same files need no restart"
