# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Prometheus of two regions, one above them that federates, and one that is written to, configured by the role's own template."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from ansible_collections.hft.ops.plugins.filter.prometheus_jobs import prometheus_jobs
from backfilled import free_port, running

_ROOT = Path(__file__).resolve().parents[2]
_REGIONS = {"mon-us": "us_east", "prod-us": "us_east", "mon-eu": "eu_west", "prod-eu": "eu_west"}
_DEFAULTS = yaml.safe_load((_ROOT / "roles/prometheus/defaults/main.yml").read_text())
# The role's own template and filter, on hosts that are folders here.
_MAKE = [{
    "name": "Configuration", "hosts": "all", "connection": "local", "gather_facts": False,
    "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "__prometheus_rule_names": [], "ansible_managed": "test"},
    "tasks": [
        {"ansible.builtin.file": {"path": "{{ folder }}/targets", "state": "directory", "mode": "0755"}},
        {"ansible.builtin.template": {"src": f"{_ROOT}/roles/prometheus/templates/prometheus.yml.j2", "dest": "{{ folder }}/prometheus.yml",
                                      "mode": "0644"}},
        {"ansible.builtin.copy": {"content": "{{ item.content }}", "dest": "{{ item.path }}", "mode": "0644"},
         "loop": "{{ prometheus_jobs | hft.ops.prometheus_targets(folder ~ '/targets') }}"}]}]


def _matches() -> list[str]:
    """What monitoring.yml lets a global one take."""
    said = yaml.safe_load((_ROOT / "playbooks/monitoring.yml").read_text())[2]["vars"]["__match"]
    return json.loads(re.search(r"default\((\[.*\])\)", said).group(1).replace('"', '\\"').replace("'", '"'))


def _ask(port: int, expression: str) -> dict[tuple[str, ...], str]:
    """Values by host, region and the Prometheus that sent them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={quote(expression)}", timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return {tuple(one["metric"].get(name, "") for name in ("host", "region", "prometheus")): one["value"][1] for one in found}


def _until(port: int, expression: str, wanted: dict[tuple[str, ...], str]) -> None:
    end = time.monotonic() + 40
    while (found := _ask(port, expression)) != wanted:
        assert time.monotonic() < end, f"{expression}: {found}, expected {wanted}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, int], dict[str, ExitStack]]]:
    folder = tmp_path_factory.mktemp("regions")
    port = {name: free_port() for name in ("mon-us", "mon-eu", "mon-global", "mon-store")}
    monitors = {name: f"127.0.0.1:{port[name]}" for name in ("mon-us", "mon-eu")}
    # Each asks itself in place of the engine of its region.
    jobs = {}
    for name in monitors:
        engines = {"hosts": ["prod-us", "prod-eu"], "port": port[name], "address": "127.0.0.1"}
        jobs[name] = prometheus_jobs(name, {"hft_system": engines}, _REGIONS)
    jobs["mon-global"] = prometheus_jobs("mon-global", {"hft_system": {"hosts": ["prod-us"], "port": 1}}, _REGIONS, monitors, _matches())
    jobs["mon-store"] = []
    (folder / "make.yml").write_text(json.dumps(_MAKE))
    sent = {"mon-us": [{"url": f"http://127.0.0.1:{port['mon-store']}/api/v1/write"}]}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {name: {
        **_DEFAULTS, "folder": f"{folder}/{name}", "prometheus_jobs": jobs[name], "prometheus_remote_write": sent.get(name, []),
        "prometheus_external_labels": {"prometheus": name}} for name in port}}}))
    done = subprocess.run(["ansible-playbook", "-i", f"{folder}/hosts.yml", f"{folder}/make.yml"], capture_output=True, text=True,
                          env={**os.environ, "ANSIBLE_CONFIG": f"{_ROOT}/ansible.cfg"}, cwd=_ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    held = {name: ExitStack() for name in port}
    try:
        for name in ("mon-store", "mon-us", "mon-eu", "mon-global"):
            receives = "--web.enable-remote-write-receiver" if name == "mon-store" else ""
            held[name].enter_context(running(
                folder / name, port[name], ["prometheus"], "exec /usr/bin/prometheus --config.file=/trial/prometheus.yml "
                f"--storage.tsdb.path=/data --web.listen-address=127.0.0.1:{port[name]} {receives}"))
        yield port, held
    finally:
        for stack in held.values():
            stack.close()


def test_a_prometheus_of_a_region_asks_its_own_region(ports) -> None:
    port, _held = ports
    _until(port["mon-us"], 'up{job="hft_system"}', {("prod-us", "us_east", ""): "1"})
    _until(port["mon-eu"], 'up{job="hft_system"}', {("prod-eu", "eu_west", ""): "1"})


def test_what_a_region_writes_arrives_with_its_name(ports) -> None:
    port, _held = ports
    _until(port["mon-store"], 'up{job="hft_system"}', {("prod-us", "us_east", "mon-us"): "1"})


def test_the_global_one_knows_every_region_and_goes_on_without_one(ports) -> None:
    port, held = ports
    us, eu = (("prod-us", "us_east", "mon-us"), "1"), (("prod-eu", "eu_west", "mon-eu"), "1")
    _until(port["mon-global"], 'up{job="hft_system"}', dict([us, eu]))
    held["mon-eu"].close()
    _until(port["mon-global"], 'up{job="federate"}', {("mon-us", "us_east", ""): "1", ("mon-eu", "eu_west", ""): "0"})
    # What was federated comes with its time, so the last figures of a region stand for five minutes; those of the others go on.
    fresh = 'time() - timestamp(up{job="hft_system"}) < 5'
    end = time.monotonic() + 40
    while set(_ask(port["mon-global"], fresh)) != {us[0]}:
        assert time.monotonic() < end, _ask(port["mon-global"], fresh)
        time.sleep(0.5)
