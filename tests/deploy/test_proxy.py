# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook api_proxy on two bare hosts, before two engines of one database: who answers, what passes, and where the address is."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import yaml
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from conftest import SECRETS, Compose

from lab import hosts, playbook, ssh_keys
from lab.inventory import Host, Network
from lab.paths import BUILD, ROOT, STATE

_NETWORK = Network("hft_api_proxy", "10.213.81.0/24")
_HOSTS = [Host("proxy-01", "10.213.81.11", "host"), Host("proxy-02", "10.213.81.12", "host")]
_ENGINES = {"engine-a": "10.213.81.21", "engine-b": "10.213.81.22"}
_ADDRESS, _PORT = "10.213.81.100", 8443
_PLACE = BUILD / "deploy" / "api_proxy"
_OWN = "the proxy passes what reads"
_STRATEGIES = ["mm-btc-usd", "mom-eth-usd"]


def _docker(*argv: str, check: bool = True) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=check).stdout.strip()


def _shell(host: str, script: str, check: bool = True) -> str:
    return _docker("exec", host, "bash", "-c", script, check=check)


def _eventually(probe: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.3)


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *argv],
                   cwd=_PLACE, check=True, capture_output=True)


def _start(compose: Compose, name: str, certificate_of: str = "") -> None:
    """An engine with TLS on the proxies' network, and on that of its database and venue."""
    folder = _PLACE / name
    folder.mkdir(exist_ok=True)
    config = json.loads((compose.folder / "config" / "engine.json").read_text())
    config["engine"]["name"] = name
    config["api"] = {"listen": "0.0.0.0", "port": 8080, "tls": {"certificate": "/run/api/tls.crt", "key": "/run/api/tls.key"}}  # noqa: S104
    (folder / "production.json").write_text(json.dumps(config))
    for ending in ("crt", "key"):
        shutil.copy(_PLACE / f"{certificate_of or name}.{ending}", folder / f"tls.{ending}")
        (folder / f"tls.{ending}").chmod(0o644)
    _docker("create", "--name", name, "--network", _NETWORK.name, "--ip", _ENGINES[name], "--volume",
            f"{folder}/production.json:/opt/hft_system/config/production.json:ro", "--volume", f"{folder}:/run/api:ro", "--volume",
            f"{compose.folder}/secrets/engine.env:/opt/hft_system/.env:ro", "hft_system:0.1.0-00000000")
    _docker("network", "connect", "hft_container_trading", name)
    _docker("start", name)


def _engine(name: str) -> EngineApi:
    return EngineApi(_ENGINES[name], 8080, token=SECRETS["API_TOKENS_OPERATE"], tls=True, certificate=str(_PLACE / f"{name}.crt"))


@pytest.fixture(scope="module")
def engines(up: Compose) -> Iterator[None]:
    up.does("stop", "engine")
    shutil.rmtree(_PLACE, ignore_errors=True)
    _PLACE.mkdir(parents=True)
    hosts.down(_NETWORK)
    hosts.up(_NETWORK, _HOSTS)
    _openssl("-subj", "/CN=authority of the engines", "-keyout", "authority.key", "-out", "authority.crt")
    for name in _ENGINES:
        _docker("rm", "--force", name, check=False)
        _openssl("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-CA", "authority.crt", "-CAkey", "authority.key",
                 "-keyout", f"{name}.key", "-out", f"{name}.crt")
        _start(up, name)
    for host in _HOSTS:
        _docker("cp", str(_PLACE / "authority.crt"), f"{host.name}:/etc/ssl/engines.crt")
        _shell(host.name, "".join(f"echo '{address} {name}' >> /etc/hosts; " for name, address in _ENGINES.items()))
    yield
    _docker("rm", "--force", "--volumes", *_ENGINES, check=False)
    hosts.down(_NETWORK)


@pytest.fixture(scope="module")
def play(engines: None) -> Callable[..., playbook.Run]:
    access = {"ansible_user": "deploy", "ansible_become": True, "ansible_ssh_private_key_file": str(ssh_keys.control()),
              "ansible_ssh_common_args": f"-o UserKnownHostsFile={STATE}/ssh/known_hosts -o IdentitiesOnly=yes"}
    inventory = _PLACE / "inventory.yml"
    inventory.write_text(yaml.safe_dump({
        "all": {"vars": access},
        "api_proxy": {"hosts": {host.name: {"ansible_host": host.address} for host in _HOSTS}},
        "engine": {"hosts": {name: {} for name in _ENGINES}},
    }))

    def run(record: str, *arguments: str, **more: object) -> playbook.Run:
        values = {
            "api_proxy_engine_authority": "/etc/ssl/engines.crt", "api_proxy_read_token": SECRETS["API_TOKENS_READ"],
            "api_proxy_address": _ADDRESS, "api_proxy_members": [host.address for host in _HOSTS], "api_proxy_vrrp_password": "ofthis12",
            "api_proxy_killswitch": True, "pki_authority_directory": str(_PLACE / "authority"), **more}
        extra = ("--extra-vars", json.dumps(values))
        return playbook.run("api_proxy", *arguments, *extra, inventory=inventory, record=f"api_proxy_{record}", show=False)

    return run


@pytest.fixture(scope="module")
def converged(play: Callable[..., playbook.Run]) -> playbook.Run:
    listed = play("check", "--check")
    assert listed.rc == 0, listed.output[-6000:]
    done = play("run")
    assert done.rc == 0, done.output[-6000:]
    assert sorted(set(listed.changes)) == sorted(set(done.changes)), "what a check listed is what the run did"
    return done


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(_PLACE / "authority" / "authority.crt"))


def _ask(method: str = "GET", path: str = "/api/v1/status", token: str = SECRETS["API_TOKENS_READ"], *, body: str | None = None,
         address: str = _ADDRESS) -> tuple[int, str, str]:
    """Status, the engine that answered, and the text; by the proxy, whose certificate is verified for the address that clients know."""
    link = http.client.HTTPSConnection(address, _PORT, timeout=5, context=_trust())
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body else {})
    try:
        link.request(method, path, body, headers)
        answer = link.getresponse()
        return answer.status, answer.getheader("HFT-Engine") or "", answer.read().decode()
    finally:
        link.close()


def _answers(engine: str) -> bool:
    try:
        return _ask()[:2] == (200, engine)
    except OSError:
        return False


def _metrics(host: str) -> str:
    return _shell(host, "exec 3<>/dev/tcp/127.0.0.1/8405; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3")


def _keeper() -> list[str]:
    return [host.name for host in _HOSTS if f"inet {_ADDRESS}/" in _shell(host.name, "ip -4 address show", check=False)]


def test_a_second_run_changes_nothing(converged: playbook.Run, play: Callable[..., playbook.Run]) -> None:
    assert converged.changed > 0
    again = play("again")
    assert (again.rc, again.changes) == (0, []), again.output[-3000:]


def test_the_first_member_has_the_address(converged: playbook.Run) -> None:
    _eventually(lambda: _keeper() == ["proxy-01"])


def test_whoever_stands_by_answers_while_nobody_is_primary(converged: playbook.Run) -> None:
    status, engine, text = _ask()
    assert (status, engine) == (200, json.loads(text)["engine"])


@pytest.mark.parametrize("holder", ["engine-a", "engine-b"])
def test_reads_go_to_who_holds_the_leases(converged: playbook.Run, holder: str) -> None:
    for name in _ENGINES:
        _engine(name).set_config(30, role="standby")
    _engine(holder).set_config(30, role="primary", trading_enabled=True)
    _eventually(lambda: _answers(holder))
    assert {_ask()[1] for _ in range(10)} == {holder}
    assert json.loads(_ask(path="/api/v1/positions")[2])["positions"]


def test_what_reads_passes_and_nothing_else_does(converged: playbook.Run) -> None:
    """Every operation of the engine's own contract, with a token that could do it. POST killswitch was asked for; it comes later."""
    operations = [(method, path.replace("{id}", "mm-btc-usd"), about["x-scope"])
                  for path, methods in yaml.safe_load((ROOT / "engine" / "openapi.yaml").read_text())["paths"].items()
                  for method, about in methods.items() if isinstance(about, dict) and "x-scope" in about]
    assert len(operations) > 25
    refused = {(method, path) for method, path, _scope in operations if (method, path) != ("post", "/api/v1/killswitch")
               and _OWN in _ask(method.upper(), path, SECRETS["API_TOKENS_OPERATE"])[2]}
    commands = {(method, path) for method, path, scope in operations if scope in {"operate", "kill"}}
    assert refused == commands - {("post", "/api/v1/killswitch")}


@pytest.mark.parametrize("path", ["/api/v1/config/reload/", "/api/v1/config/../config/reload", "/api/v1/config%2Freload",
                                  "//api/v1/config/reload", "/api/v1/strategies/x/start", "/API/v1/config/reload"])
def test_no_spelling_of_a_command_passes(converged: playbook.Run, path: str) -> None:
    assert _OWN in _ask(path=path, token=SECRETS["API_TOKENS_OPERATE"])[2]


def test_the_engine_itself_asks_for_the_token(converged: playbook.Run) -> None:
    status, engine, text = _ask(token="guessed-of-this-test")
    assert (status, engine) == (401, "engine-b"), text


def test_the_other_engine_answers_when_one_is_gone(converged: playbook.Run) -> None:
    _docker("stop", "engine-b")
    _eventually(lambda: _answers("engine-a"))
    _docker("start", "engine-b")


def test_one_with_the_certificate_of_another_is_not_asked(converged: playbook.Run, up: Compose) -> None:
    _docker("rm", "--force", "engine-a")
    _start(up, "engine-a", certificate_of="engine-b")
    _eventually(lambda: _answers("engine-b"))
    assert EngineApi(_ENGINES["engine-a"], 8080, token=SECRETS["API_TOKENS_READ"], tls=True,
                     certificate=str(_PLACE / "engine-b.crt")).status()["engine"] == "engine-a", "it is there, and healthy"
    assert {_ask()[1] for _ in range(10)} == {"engine-b"}
    # An answer of the sixth layer, TLS, that is none.
    _eventually(lambda: 'haproxy_server_check_status{proxy="standing",server="engine-a",state="L6RSP"} 1' in _metrics("proxy-01"))
    _docker("rm", "--force", "engine-a")
    _start(up, "engine-a")


def test_the_address_moves_when_a_proxy_dies_and_comes_back(converged: playbook.Run) -> None:
    _shell("proxy-01", "systemctl stop haproxy.service")
    _eventually(lambda: _keeper() == ["proxy-02"])
    assert _ask()[0] == 200
    _shell("proxy-01", "systemctl start haproxy.service")
    _eventually(lambda: _keeper() == ["proxy-01"])
    assert _ask()[0] == 200


def test_the_address_moves_when_a_host_is_lost(converged: playbook.Run) -> None:
    _docker("pause", "proxy-01")
    try:
        _eventually(lambda: f"inet {_ADDRESS}/" in _shell("proxy-02", "ip -4 address show"))
        _eventually(lambda: _answers(_ask(address="10.213.81.12")[1]))
    finally:
        _docker("unpause", "proxy-01")
    _eventually(lambda: _keeper() == ["proxy-01"])


@pytest.mark.parametrize("host", [host.name for host in _HOSTS])
def test_what_is_secret_or_local_stays_so(converged: playbook.Run, host: str) -> None:
    listening = set(re.findall(r"\s(\S+:\d+)\s", _shell(host, "ss --listening --tcp --numeric --no-header")))
    assert {"127.0.0.1:8405", "0.0.0.0:8443"} <= listening
    private = "/run/haproxy/admin.sock /etc/default/haproxy /etc/keepalived/password.conf"
    assert _shell(host, f"stat --format %a {private}").split() == ["600"] * 3
    secrets = "|".join([SECRETS["API_TOKENS_READ"], "ofthis12"])
    assert _shell(host, f"grep -rlE '{secrets}' /etc /var/log /run/log 2>/dev/null | sort").split() == private.split()[1:]
    assert "haproxy_backend_active_servers" in _metrics(host)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"api_proxy_vrrp_password": "much-too-long"}, "expected 4 to 8 letters and digits"),
    ({"api_proxy_members": ["10.213.81.12", "10.213.81.99"]}, "one of them an address of this host"),
    ({"api_proxy_read_token": "short"}, "expected a bearer token"),
    ({"api_proxy_engine_authority": "/etc/ssl/not-there.crt"}, "not-there.crt"),
], ids=["password", "members", "token", "authority"])
def test_wrong_input_changes_nothing(converged: playbook.Run, play: Callable[..., playbook.Run], wrong: dict, said: str) -> None:
    files = "sha256sum /etc/haproxy/haproxy.cfg /etc/keepalived/* /etc/default/haproxy"
    before = _shell("proxy-01", files)
    done = play("wrong", **wrong)
    assert done.rc != 0
    assert said in done.output, done.output[-3000:]
    assert _shell("proxy-01", files) == before
    assert _ask()[0] == 200


def test_a_client_that_asks_too_often_waits(converged: playbook.Run) -> None:
    link = http.client.HTTPSConnection(_ADDRESS, _PORT, timeout=5, context=_trust())
    told = []
    for _ in range(260):
        link.request("GET", "/health")
        answer = link.getresponse()
        answer.read()
        told.append(answer.status)
    link.close()
    assert set(told) == {200, 429}
    _eventually(lambda: _ask(path="/health")[0] == 200)


def test_the_kill_switch_passes_where_it_was_asked_for(converged: playbook.Run) -> None:
    _eventually(lambda: _ask()[0] == 200)
    reason = json.dumps({"reason": "test of the proxy"})
    assert _ask("POST", "/api/v1/killswitch", SECRETS["API_TOKENS_OPERATE"], body=reason)[0] == 403, "it wants the scope kill"
    status, engine, _text = _ask("POST", "/api/v1/killswitch", SECRETS["API_TOKENS_KILL"], body=reason)
    assert (status, bool(engine)) == (200, True)
    assert _engine(engine).killswitch()
