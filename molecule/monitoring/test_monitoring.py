# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus is asked what it knows, the exporters what they serve, and wrong input changes nothing."""

from __future__ import annotations

import json
import time

import pytest

testinfra_hosts = ["mol-01"]

_CONFIG = "/etc/prometheus/prometheus.yml"
_JOBS = [{"name": "node", "targets": ["mol-01:9100"]}]


def _get(host, port: int, path: str) -> str:
    code = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=15).read().decode())"
    return host.check_output("python3 -c %s", code)


def _query(host, expression: str, within_s: float = 30) -> list[dict]:
    """Samples of an expression, as soon as there are any."""
    deadline = time.monotonic() + within_s
    while True:
        found = json.loads(_get(host, 9090, f"/api/v1/query?query={expression}"))["data"]["result"]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


@pytest.mark.parametrize("name", ["prometheus", "prometheus-node-exporter", "prometheus-postgres-exporter"])
def test_services_run_now_and_at_boot(host, name: str) -> None:
    service = host.service(f"{name}.service")
    assert service.is_running
    assert service.is_enabled


def test_data_of_a_target_is_in_prometheus_and_fresh(host) -> None:
    sample = _query(host, "node_load1%7Bplace=%22here%22%7D")[0]
    assert sample["metric"]["instance"] == "mol-01:9100"
    first = float(_query(host, "timestamp(node_load1)")[0]["value"][1])
    time.sleep(3)
    assert float(_query(host, "timestamp(node_load1)")[0]["value"][1]) >= first + 1


@pytest.mark.parametrize("name", ["node_interrupts_total", "node_softirqs_functions_total", "node_qdisc_packets_total"])
def test_collectors_for_low_latency_hosts_are_on(host, name: str) -> None:
    assert name in _get(host, 9100, "/metrics")


def test_textfile_directory_is_served(host) -> None:
    host.check_output("printf 'hft_trial 7\\n' > /var/lib/prometheus/node-exporter/trial.prom")
    assert "\nhft_trial 7" in _get(host, 9100, "/metrics")


def test_metrics_can_be_read_by_promtool(host) -> None:
    # 3: the format is right, and names are not to the tool's taste.
    code = "import urllib.request, sys; sys.stdout.write(urllib.request.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    assert host.run("python3 -c %s | promtool check metrics", code).rc in (0, 3)


def test_recording_rule_of_the_site_is_evaluated(host) -> None:
    assert _query(host, "instance:node_interrupts:sum")


def test_an_engine_that_does_not_answer_raises_the_alert(host) -> None:
    firing = _query(host, "ALERTS%7Balertname=%22EngineDown%22,alertstate=%22firing%22%7D")
    assert [sample["metric"]["instance"] for sample in firing] == ["mol-02:9464"]


def test_two_holders_of_one_strategy_raise_the_alert(host) -> None:
    """The rule itself, on made-up samples, by promtool: two engines that hold raise it, one does not."""
    trial = """
rule_files: [/etc/prometheus/rules/engine.yml]
evaluation_interval: 1s
tests:
  - interval: 1s
    input_series:
      - {series: 'engine_lease_seconds_left{job="hft_system", instance="a", strategy="s1"}', values: '9x10'}
      - {series: 'engine_lease_seconds_left{job="hft_system", instance="b", strategy="s1"}', values: '0 8 0x3 8x5'}
    alert_rule_test:
      # One sample of overlap is a transfer seen from two instants.
      - {eval_time: 1s, alertname: TwoHolders, exp_alerts: []}
      - {eval_time: 4s, alertname: TwoHolders, exp_alerts: []}
      - eval_time: 9s
        alertname: TwoHolders
        exp_alerts:
          - exp_labels: {severity: critical, strategy: s1}
            exp_annotations:
              summary: "Strategy s1: more than one engine says that it holds the lease"
              action: "Press the kill switch, then read the venue's log: it alone knows whose orders were accepted"
"""
    host.check_output("printf %%s %s > /tmp/two-holders.yml", trial)
    done = host.run("promtool test rules /tmp/two-holders.yml")
    assert done.rc == 0, done.stdout + done.stderr


def test_exporter_without_a_database_says_so(host) -> None:
    assert "\npg_up 0" in _get(host, 9187, "/metrics")


def test_password_is_in_one_file_of_root_alone(host) -> None:
    secret = host.file("/etc/default/prometheus-postgres-exporter.secret")
    assert (secret.user, secret.group, secret.mode) == ("root", "root", 0o600)
    assert 'DATA_SOURCE_PASS="pass with \\"quotes\\" and %s"' in secret.content_string
    assert "pass with" not in host.check_output("ps -e -o args")
    assert "pass with" not in host.check_output("systemctl cat prometheus-postgres-exporter.service")


def test_password_arrives_at_the_exporter_as_it_was_given(host) -> None:
    process = host.check_output("systemctl show -P MainPID prometheus-postgres-exporter.service")
    assert 'DATA_SOURCE_PASS=pass with "quotes" and %s' in host.check_output("tr '\\0' '\\n' < /proc/%s/environ", process)


@pytest.mark.parametrize(("variables", "named"), [
    ({"prometheus_jobs": [{"name": "node", "targets": ["mol-01:9100"], "interval": "1 second"}]}, "1 second"),
    ({"prometheus_rule_groups": [{"name": "bad", "rules": [{"alert": "A", "expr": "sum by ("}]}]}, "parse"),
    ({"prometheus_jobs": [*_JOBS, *_JOBS]}, "two jobs share a name"),
    ({"prometheus_jobs": [{"name": "node", "target": ["mol-01:9100"]}]}, "target"),
])
def test_wrong_input_is_refused_and_changes_nothing(host, wrong_input, variables: dict, named: str) -> None:
    before = (host.file(_CONFIG).content_string, host.check_output("stat -c %Y /etc/prometheus/rules/site.yml"))
    variables = {"prometheus_listen_address": "0.0.0.0:9090", "prometheus_jobs": _JOBS, **variables}
    said = wrong_input("mol-01", [{"ansible.builtin.import_role": {"name": "hft.ops.prometheus"}, "vars": variables}])
    assert named in said
    assert (host.file(_CONFIG).content_string, host.check_output("stat -c %Y /etc/prometheus/rules/site.yml")) == before
    assert _query(host, "prometheus_config_last_reload_successful")[0]["value"][1] == "1"


def test_a_change_of_jobs_is_a_reload_and_not_a_restart(host, play) -> None:
    process = host.check_output("systemctl show -P MainPID prometheus.service")
    variables = {"prometheus_listen_address": "0.0.0.0:9090", "prometheus_jobs": _JOBS}
    done = play("mol-01", [{"ansible.builtin.import_role": {"name": "hft.ops.prometheus"}, "vars": variables}])
    assert done.returncode == 0, done.stdout + done.stderr
    targets = json.loads(_get(host, 9090, "/api/v1/targets?state=active"))["data"]["activeTargets"]
    assert [target["discoveredLabels"]["__address__"] for target in targets] == ["mol-01:9100"]
    assert host.check_output("systemctl show -P MainPID prometheus.service") == process
