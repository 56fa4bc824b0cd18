# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook hft.ops.alerts for real: Debian's Alertmanager, ansible-rulebook, the hook's program. Engines alone are played."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from backfilled import free_port, running
from rig import EDA_TOKEN, HOOK_TOKEN, ROOT, VENV, Engines, Hook, Rulebook, Told, ask, until

_CONFIG = """
route: {{receiver: eda, group_by: [alertname, host], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
  - name: eda
    webhook_configs:
      - {{url: "http://127.0.0.1:{port}/endpoint", send_resolved: false, http_config: {{authorization: {{credentials: {token}}}}}}}
"""
_NOTHING = "hft-prod-01 holds nothing: nothing to take over"


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, installed into an empty directory."""
    folder = tmp_path_factory.mktemp("collections")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH"))}  # not the checkout
    for argv in (["build", "--output-path", str(folder), str(ROOT)],
                 ["install", "--offline", "--no-deps", "-p", str(folder), str(folder / "hft-ops-0.1.0.tar.gz")]):
        done = subprocess.run([galaxy, "collection", *argv], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder


class _Site:
    """An engine that trades and one that stands by, the hook, and whom the rulebook may notify."""

    def __init__(self, folder: Path, collections: Path, held: ExitStack) -> None:
        self.folder, self._collections, self._held = folder, collections, held
        self.engines, self.told = Engines(), Told()
        self._engine_ports, self._sink = held.enter_context(self.engines.served()), held.enter_context(self.told.served())
        self.hook_port, self.eda_port = free_port(), free_port()
        self.lost: dict[str, Any] = {}

    def start_hook(self) -> Hook:
        hook = Hook(self.folder, self.hook_port)
        self._held.callback(hook.end)
        until(hook.listens)
        return hook

    def start_rulebook(self, *act: str) -> Rulebook:
        rulebook = Rulebook(self.folder, self._collections, self.inventory(), self.eda_port, list(act))
        self._held.callback(rulebook.end)
        until(rulebook.listens)
        return rulebook

    def start_alertmanager(self) -> tuple[int, ExitStack]:
        """Its port, and what ends it."""
        folder = self.folder / "alertmanager"
        folder.mkdir(exist_ok=True)
        (folder / "alertmanager.yml").write_text(_CONFIG.format(port=self.eda_port, token=EDA_TOKEN))
        port, alone = free_port(), self._held.enter_context(ExitStack())
        alone.enter_context(running(folder, port, ["prometheus-alertmanager"],
                                    "exec /usr/bin/prometheus-alertmanager --config.file=/trial/alertmanager.yml "
                                    f"--storage.path=/data --cluster.listen-address= --web.listen-address=127.0.0.1:{port}"))
        return port, alone

    def inventory(self, hook_token: str = HOOK_TOKEN) -> dict[str, Any]:
        engines = {name: {"engine_api_port": port, "engine_venues": [{"name": "paper", "fence": "epoch"}], **self.lost.get(name, {})}
                   for name, port in self._engine_ports.items()}
        hook = {"alert_hook_listen": f"127.0.0.1:{self.hook_port}", "alert_hook_token": hook_token}
        sink = {"name": "sink", "kind": "webhook", "url": f"http://127.0.0.1:{self._sink}/"}
        everywhere = {"ansible_connection": "local", "ansible_python_interpreter": str(VENV / "bin/python"), "notify_targets": [sink]}
        return {"all": {"vars": everywhere,
                        "children": {"engine": {"hosts": engines}, "timescaledb": {}, "monitoring": {"hosts": {"mon": hook}}}}}

    def play(self, name: str, *more: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """What a person types."""
        env = {"ANSIBLE_COLLECTIONS_PATH": str(self._collections), "HOME": str(self.folder), "PATH": f"{VENV}/bin:/usr/bin:/bin"}
        return subprocess.run(["ansible-playbook", f"hft.ops.{name}", "-i", "hosts.yml", "-e", json.dumps(variables), *more],
                              cwd=self.folder, env=env, capture_output=True, text=True)


@pytest.fixture
def site(tmp_path: Path, collections: Path) -> Iterator[_Site]:
    with ExitStack() as held:
        yield _Site(tmp_path, collections, held)


def _fire(alertmanager: int, name: str, host: str = "hft-prod-01") -> None:
    alerts = [{"labels": {"alertname": name, "host": host, "instance": f"{host}:9464", "severity": "critical"}}]
    assert ask(alertmanager, "POST", "/api/v2/alerts", alerts)[0] == 200


def test_an_alert_asks_once_and_for_nothing_when_trading_moved_since(site: _Site) -> None:
    hook, rulebook, (alertmanager, _alone) = site.start_hook(), site.start_rulebook(), site.start_alertmanager()
    would = site.play("alert_request", "--check", alert_request_action="rollback", alert_request_engine="hft-prod-01")
    assert (would.returncode, "mm: from hft-prod-01 (1.0.0) to hft-prod-02 (1.0.0)" in would.stdout) == (0, True), would.stdout
    _fire(alertmanager, "OrderLatencyP99Critical")
    until(lambda: hook.outcomes() == ["requested"])
    request, = hook.requests()
    assert (request["action"], request["engine"], request["epochs"]) == ("rollback", "hft-prod-01", {"mm": 7})
    told, = until(lambda: site.told.texts)
    command = {"rollback_to": "hft-prod-02", "rollback_strategies": ["mm"], "rollback_expect": {"mm": 7},
               "rollback_reason": "request 1: OrderLatencyP99Critical on hft-prod-01"}
    assert f"ansible-playbook hft.ops.rollback -i INVENTORY -e '{json.dumps(command)}'" in told
    assert (site.engines.holder, site.engines.epoch) == ("hft-prod-01/aa", 7), "a request moves nothing"

    # Alertmanager says it every second. A rulebook that was restarted has forgotten it, the hook has not.
    rulebook.end()
    heard = hook.repeated()
    rulebook = site.start_rulebook()
    until(lambda: hook.repeated() > heard)
    assert hook.outcomes() == ["requested"]

    # There and back by a person: the engine holds it again, under another epoch.
    rulebook.end()
    site.engines.epoch = 9
    rulebook = site.start_rulebook()
    until(lambda: rulebook.said("stale: request 1 of this alert saw the epochs"))
    assert set(hook.outcomes()) == {"requested", "stale"}
    assert len(hook.requests()) == len(site.told.texts) == 1
    refused = site.play("transfer", transfer_to=command["rollback_to"], transfer_expect=command["rollback_expect"])
    assert "mm has epoch 9, expected 7: it was moved since" in refused.stdout
    assert refused.returncode != 0
    assert site.engines.epoch == 9


def test_where_it_may_act_a_lost_engine_is_taken_over_once(site: _Site) -> None:
    # Nothing listens where its ssh should.
    site.lost["hft-prod-01"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    hook, rulebook, (alertmanager, _alone) = site.start_hook(), site.start_rulebook("failover"), site.start_alertmanager()
    _fire(alertmanager, "EngineDown")
    until(lambda: site.engines.epoch == 8)
    until(lambda: rulebook.said("hft-prod-02 takes over mm, which hft-prod-01 held; hft-prod-01 is shut out"))
    assert hook.outcomes() == ["requested", "taken"]
    assert site.engines.holder == "hft-prod-02/aa"
    rulebook.end()
    said = rulebook.log.read_text().count(_NOTHING)
    rulebook = site.start_rulebook("failover")
    until(lambda: rulebook.said(_NOTHING, said + 1))
    assert hook.outcomes() == ["requested", "taken"]
    assert site.engines.epoch == 8
    refused = site.play("failover", failover_from="hft-prod-01", failover_expect={"mm": 7})
    assert "mm has epoch 8, expected 7: it was moved since" in refused.stdout
    assert site.engines.epoch == 8


def _alert(**labels: str) -> dict[str, Any]:
    return {"version": "4", "alerts": [{"status": "firing", "fingerprint": "f00d", "startsAt": "2026-01-01T00:00:00.5Z", "labels": labels}]}


def test_what_is_not_an_alert_of_ours_is_refused(site: _Site) -> None:
    hook, rulebook = site.start_hook(), site.start_rulebook()
    alert = _alert(alertname="EngineDown", host="hft-prod-01")
    assert ask(rulebook.port, "POST", "/endpoint", alert)[0] == 401
    assert ask(rulebook.port, "POST", "/endpoint", alert, HOOK_TOKEN)[0] == 401
    proof = site.folder / "proof"
    evil = "{{ lookup('pipe', 'touch " + str(proof) + "') }}"
    for labels in ({"alertname": "EngineDown", "host": evil}, {"alertname": evil, "host": "hft-prod-01"}, {"alertname": "EngineDown"}):
        assert ask(rulebook.port, "POST", "/endpoint", _alert(**labels), EDA_TOKEN)[0] == 200
    assert ask(rulebook.port, "POST", "/endpoint", ["none"], EDA_TOKEN)[0] == 200
    # It goes on with the next one, which the hook finds too old.
    assert ask(rulebook.port, "POST", "/endpoint", _alert(alertname="OrderRejectsCritical", host="hft-prod-01"), EDA_TOKEN)[0] == 200
    until(lambda: rulebook.said("stale: the alert began"))
    assert rulebook.log.read_text().count("expected a plain name") == 3
    assert hook.outcomes() == ["stale"]
    assert not proof.exists()


def test_what_is_away_breaks_nothing(site: _Site) -> None:
    rulebook, (alertmanager, alone) = site.start_rulebook(), site.start_alertmanager()
    _fire(alertmanager, "OrderRejectsCritical")
    until(lambda: rulebook.said(f"http://127.0.0.1:{site.hook_port}: answered -1"))
    hook = site.start_hook()
    until(lambda: hook.outcomes() == ["requested"])  # it is repeated once the throttle lets it
    alone.close()
    alertmanager, _alone = site.start_alertmanager()
    assert rulebook.process.poll() is None
    _fire(alertmanager, "OrderSuccessCritical", "hft-prod-02")
    until(lambda: rulebook.said("hft-prod-02 holds nothing of it: nothing to move"))
    assert hook.outcomes() == ["requested"]
