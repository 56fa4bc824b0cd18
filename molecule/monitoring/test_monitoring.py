# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus, Alertmanager and the exporters are asked what they know; an alert is followed to who is told; wrong input changes nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import testinfra
import yaml
from patience import until

testinfra_hosts = ["mol-01"]

_CONFIG = "/etc/prometheus/prometheus.yml"
_RULES = "/etc/prometheus/rules/site.yml"
_VARIABLES = yaml.safe_load((Path(__file__).parent / "variables.yml").read_text())
_OPTIONS = ("--extra-vars", f"@{Path(__file__).parent / 'variables.yml'}")
_HOOK = "/run/hook.jsonl"
# What a receiver of webhooks is: it keeps what it is sent, and when.
_RECEIVER = f"""
import json, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = {{"at": time.time(), "path": self.path, "token": self.headers.get("Authorization"), "body": body}}
        with open("{_HOOK}", "a") as out:
            out.write(json.dumps(line) + "\\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")  # else Alertmanager takes what it sent to Slack as not delivered, and never tells the end of it
ThreadingHTTPServer(("127.0.0.1", 9911), Hook).serve_forever()
"""


def _get(host, port: int, path: str) -> str:
    code = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=15).read().decode())"
    return host.check_output("python3 -c %s", code)


def _node(host, user: str = "prometheus:scrape me", name: str = "mol-01") -> str:
    """Metrics of a host, asked as Prometheus asks: over TLS that is checked, and with a login."""
    code = ("import base64, ssl, sys, urllib.request as u; "
            "context = ssl.create_default_context(cafile='/etc/prometheus/tls/authority.crt'); "
            "login = base64.b64encode(sys.argv[2].encode()).decode(); "
            "request = u.Request(f'https://{sys.argv[1]}:9100/metrics', headers={'Authorization': 'Basic ' + login}); "
            "print(u.urlopen(request, context=context, timeout=15).read().decode())")
    return host.check_output("python3 -c %s %s %s", code, name, user)


def _samples(host, expression: str) -> list[dict]:
    return json.loads(_get(host, 9090, f"/api/v1/query?query={expression}"))["data"]["result"]


def _query(host, expression: str) -> list[dict]:
    """Samples of an expression, as soon as there are any."""
    return until(lambda: _samples(host, expression))


def _sent(host, path: str, word: str) -> list[dict]:
    """What the receiver was sent under a path, and holds the word."""
    lines = [json.loads(line) for line in host.check_output("cat %s 2>/dev/null || true", _HOOK).splitlines()]
    return [one for one in lines if one["path"] == path and word in json.dumps(one["body"])]


def _received(host, path: str, word: str, within_s: float = 20) -> list[dict]:
    """The same, as soon as there is any."""
    return until(lambda: _sent(host, path, word), within_s=within_s)


@pytest.fixture(scope="module", autouse=True)
def receiver(host):
    """There from the first test on, as a receiver is: what Alertmanager tries in vain it tries ever more seldom."""
    host.check_output("rm -f %s; systemd-run --quiet --collect --unit=hook python3 -c %s", _HOOK, _RECEIVER)
    yield
    host.check_output("systemctl stop hook.service")


@pytest.fixture(scope="module")
def other():
    """The other host, that is watched."""
    return testinfra.get_host("ssh://mol-02", ssh_config=str(Path(__file__).parents[2] / ".lab/ssh/molecule.conf"), sudo=True)


def _changed(done) -> int:
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.rpartition("changed=")[2].split()[0])


@pytest.mark.parametrize("name", ["prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "prometheus-postgres-exporter",
                                  "prometheus-process-exporter", "prometheus-blackbox-exporter"])
def test_services_run_now_and_at_boot_without_a_privilege_too_many(host, name: str) -> None:
    service = host.service(f"{name}.service")
    assert service.is_running
    assert service.is_enabled
    status = host.check_output("cat /proc/$(systemctl show -P MainPID %s.service)/status", name)
    # CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which a container may not have to give; CAP_NET_RAW.
    kept = {"prometheus-process-exporter": 1 << 19 | 1 << 2, "prometheus-blackbox-exporter": 1 << 13}
    assert int(status.partition("CapBnd:")[2].split()[0], 16) & ~kept.get(name, 0) == 0
    assert "NoNewPrivs:\t1" in status
    assert "\nUid:\t0\t" not in status
    host.check_output("systemd-analyze security --no-pager --threshold=20 %s.service", name)


def test_prometheus_stays_on_the_cpus_and_within_the_memory_that_it_was_given(host) -> None:
    assert "Cpus_allowed_list:\t0\n" in host.check_output("cat /proc/$(systemctl show -P MainPID prometheus.service)/status") + "\n"
    assert host.check_output("systemctl show -P MemoryMax prometheus.service") == str(1 << 30)


def test_data_of_a_target_is_in_prometheus_and_fresh(host) -> None:
    sample = _query(host, "node_load1%7Bhost=%22mol-02%22,region=%22us_east%22%7D")[0]
    assert sample["metric"]["instance"] == "mol-02:9100"
    first = float(_query(host, "timestamp(node_load1)")[0]["value"][1])
    time.sleep(3)
    assert float(_query(host, "timestamp(node_load1)")[0]["value"][1]) >= first + 1


def test_a_host_tells_its_figures_over_tls_and_to_who_logs_in(host) -> None:
    assert "node_load1" in _node(host)
    with pytest.raises(AssertionError, match="401"):
        _node(host, "prometheus:wrong")
    with pytest.raises(AssertionError, match=r"Remote end closed|400|BadStatusLine"):
        _get(host, 9100, "/metrics")
    assert "scrape me" not in host.check_output("cat /etc/prometheus/web/node_exporter.yml /etc/prometheus/prometheus.yml")


@pytest.mark.parametrize("name", ["node_interrupts_total", "node_softirqs_functions_total", "node_qdisc_packets_total",
                                  "node_timex_offset_seconds"])
def test_collectors_for_low_latency_hosts_are_on(host, name: str) -> None:
    assert name in _node(host)


def test_textfile_directory_is_served(host) -> None:
    host.check_output("printf 'hft_trial 7\\n' > /var/lib/prometheus/node-exporter/trial.prom")
    assert "\nhft_trial 7" in _node(host)


@pytest.mark.long
def test_a_knob_that_an_audit_finds_drifted_is_an_alert_and_nothing_else_is_changed(host, other, play) -> None:
    """As host_audit.yml asks: the role in check mode, the report not. The limits of mol-02 were never set."""
    told = "/var/lib/prometheus/node-exporter/hft_host.prom"
    report = {"host_report_roles": ["limits"], "host_report_metrics_path": told, "host_report_show": False}
    audit = [{"ansible.builtin.import_role": {"name": "hft.ops.limits"}, "check_mode": True},
             {"ansible.builtin.import_role": {"name": "hft.ops.host_report"}, "vars": report}]
    files = "find /etc /var/lib/prometheus/node-exporter -type f ! -name 'trial.prom' -newer /run/before"
    other.check_output("touch /run/before")
    assert play("mol-02", audit, "--check").returncode == 0
    assert other.check_output(files) == ""
    assert play("mol-02", audit).returncode == 0
    assert other.check_output(files) == told
    firing = _query(host, "ALERTS%7Balertname=%22HostKnobDrift%22,host=%22mol-02%22,alertstate=%22firing%22%7D")
    assert {sample["metric"]["role"] for sample in firing} == {"limits"}
    other.check_output("rm %s", told)


def test_processes_of_others_and_their_threads_are_told(host) -> None:
    told = _get(host, 9256, "/metrics")
    assert 'namedprocess_namegroup_num_procs{groupname="logind"} 1' in told
    assert 'namedprocess_namegroup_thread_cpu_seconds_total{groupname="prometheus"' in told
    assert "namedprocess_scrape_procread_errors 0" in told


def test_hosts_are_asked_from_outside(host) -> None:
    found = {one["metric"]["instance"]: one["value"][1] for one in _query(host, "probe_success%7Bjob=~%22ping|database%22%7D")}
    assert found == {"mol-01": "1", "mol-02": "1", "mol-01:5432": "0"}
    told = host.run("journalctl --unit=prometheus-blackbox-exporter.service --quiet --grep='Beginning probe'").stdout
    assert not told, "each probe is lines of the journal"


def test_the_end_of_each_certificate_is_known(host) -> None:
    found = {one["metric"]["instance"]: float(one["value"][1]) for one in _query(host, "probe_ssl_earliest_cert_expiry")}
    assert set(found) == {"mol-01:9100", "mol-02:9100"}
    assert found["mol-01:9100"] == float(host.check_output("date +%%s -d \"$(openssl x509 -noout -enddate -in %s | cut -d= -f2)\"",
                                                           "/etc/prometheus/tls/host.crt"))


def test_metrics_can_be_read_by_promtool(host) -> None:
    # 3: the format is right, and names are not to the tool's taste.
    code = "import urllib.request, sys; sys.stdout.write(urllib.request.urlopen('http://127.0.0.1:9256/metrics').read().decode())"
    assert host.run("python3 -c %s | promtool check metrics", code).rc in (0, 3)


def test_rules_of_the_site_and_its_limits_are_evaluated(host) -> None:
    assert _query(host, "instance:node_interrupts:sum")
    assert _query(host, "hft:limit:memory_available_ratio")[0]["value"][1] == "0.07"
    assert _query(host, "hft:limit:cpu_busy_ratio")[0]["value"][1] == "0.8"
    assert _query(host, "prometheus_rule_group_rules")
    assert not _samples(host, "prometheus_rule_evaluation_failures_total%20>%200")


def test_an_engine_that_does_not_answer_reaches_who_is_on_call(host) -> None:
    firing = _query(host, "ALERTS%7Balertname=%22EngineDown%22,alertstate=%22firing%22%7D")
    assert [sample["metric"]["instance"] for sample in firing] == ["mol-02:9464"]


def test_the_watchdog_cries_again_and_again(host) -> None:
    """The first cry may be one that was tried in vain before the receiver was there: Alertmanager tries each for 10 s, ever more
    seldom, and holds back what would follow within a second. From then on there is one at each interval."""
    interval_s = int(_VARIABLES["alertmanager_watchdog_interval"].rstrip("s"))

    def pauses() -> list[float]:
        cries = [one["at"] for one in _sent(host, "/deadman", "Watchdog")]
        return [round(after - before, 1) for before, after in zip(cries, cries[1:])]

    received = until(pauses, lambda found: len(found) >= 2, within_s=2 * (10 + 3 * (interval_s + 1)))
    assert interval_s - 1 <= received[1] <= 2 * interval_s - 1, f"expected a cry each {interval_s} s, pauses were {received}"


def test_from_a_host_that_stops_to_who_is_on_call_in_less_than_15_s(host, other, record_property) -> None:
    stopped_at = float(other.check_output("date +%s.%N && systemctl stop prometheus-node-exporter.service").split()[0])
    page = _received(host, "/page", "HostDown")[0]
    took_s = page["at"] - stopped_at
    record_property("stop_to_receipt_s", took_s)
    print(f"from the stop to the receipt: {took_s:.1f} s")
    assert took_s < 15
    assert page["token"] == "Bearer t0ken of the hook"
    assert page["body"]["alerts"][0]["labels"]["host"] == "mol-02"
    _received(host, "/desk", "HostDown")  # the route goes on to the desk
    # What runs on a host that is down is not told beside it.
    alerts = json.loads(_get(host, 9093, "/api/v2/alerts"))
    inhibited = [one["labels"]["alertname"] for one in alerts if one["status"]["inhibitedBy"]]
    assert "EngineDown" in inhibited
    other.check_output("systemctl start prometheus-node-exporter.service")
    _received(host, "/desk", "RESOLVED", within_s=30)
    assert {one["body"]["status"] for one in _sent(host, "/page", "")} == {"firing"}, "the end of an alert is no order"


def test_another_region_has_its_own_on_call(host) -> None:
    host.check_output("amtool alert add Trial region=eu_west severity=critical --alertmanager.url=http://127.0.0.1:9093")
    duty = _received(host, "/europe", "Trial")[0]["body"]
    assert (duty["routing_key"], duty["payload"]["severity"]) == ("k3y", "critical")
    time.sleep(1)
    assert not _sent(host, "/page", "Trial")


def test_a_silence_is_made_once_found_again_and_ended(host, play) -> None:
    silence = {"url": "http://127.0.0.1:9093", "comment": "cutover-trial", "matchers": ["alertname=EngineDown", "severity=~critical|none"]}
    done = play("mol-01", [{"hft.ops.alert_silence": silence}])
    assert _changed(done) == 1
    assert _changed(play("mol-01", [{"hft.ops.alert_silence": silence}])) == 0
    alerts = json.loads(_get(host, 9093, "/api/v2/alerts"))
    assert [one["labels"]["alertname"] for one in alerts if one["status"]["silencedBy"]] == ["EngineDown"]
    assert _changed(play("mol-01", [{"hft.ops.alert_silence": {**silence, "state": "absent"}}])) == 1
    alerts = json.loads(_get(host, 9093, "/api/v2/alerts"))
    assert not [one for one in alerts if one["status"]["silencedBy"]]


def test_no_secret_stands_where_others_read(host) -> None:
    read = "cat /etc/prometheus/*.yml /etc/prometheus/*/* /etc/systemd/system/*/*.conf 2>/dev/null || true"
    seen = host.check_output("runuser -u nobody -- sh -c %s", read)
    assert "smtp_auth_password_file" in seen
    assert not [secret for secret in ("t0ken", "k3y", "m4il", "scrape me", "pass with", "9911/page") if secret in seen]
    assert not [secret for secret in ("t0ken", "k3y", "m4il", "scrape me", "pass with") if secret in host.check_output("ps -e -o args")]


def test_lines_of_files_and_of_the_journal_arrive_and_go_on_after_an_interruption(host, other) -> None:
    def kept(identifier: str, word: str) -> str:
        read = "journalctl --directory=/var/log/journal/remote --quiet --output=json --identifier=%s --grep=%s"
        return until(lambda: host.run(read, identifier, word).stdout)

    log, run = "/var/log/hft_system/system.log", str(time.time_ns())
    other.check_output("mkdir -p /var/log/hft_system && logger --tag trial journal-one-%s && echo file-one-%s >> %s", run, run, log)
    assert json.loads(kept("trial", f"journal-one-{run}"))["_HOSTNAME"] == "mol-02"
    assert json.loads(kept("hft_log", f"file-one-{run}"))["_HOSTNAME"] == "mol-02"
    other.check_output("cp %s %s.1 && truncate --size=0 %s && sleep 2 && echo file-two-%s >> %s",
                       log, log, log, run, log)  # as logrotate does
    assert kept("hft_log", f"file-two-{run}")
    host.check_output("systemctl stop systemd-journal-remote.socket systemd-journal-remote.service")
    other.check_output("logger --tag trial journal-two-%s", run)
    time.sleep(2)
    host.check_output("systemctl start systemd-journal-remote.socket")
    other.check_output("systemctl reset-failed systemd-journal-upload.service; systemctl restart systemd-journal-upload.service")
    assert len(kept("trial", f"journal-two-{run}").splitlines()) == 1
    assert len(kept("trial", f"journal-one-{run}").splitlines()) == 1, "nothing is sent twice"


def test_exporter_without_a_database_says_so(host) -> None:
    assert "\npg_up 0" in _get(host, 9187, "/metrics")


def test_password_is_in_one_file_of_root_alone(host) -> None:
    secret = host.file("/etc/default/prometheus-postgres-exporter.secret")
    assert (secret.user, secret.group, secret.mode) == ("root", "root", 0o600)
    assert 'DATA_SOURCE_PASS="pass with \\"quotes\\" and %s"' in secret.content_string


def test_password_arrives_at_the_exporter_as_it_was_given(host) -> None:
    process = host.check_output("systemctl show -P MainPID prometheus-postgres-exporter.service")
    assert 'DATA_SOURCE_PASS=pass with "quotes" and %s' in host.check_output("tr '\\0' '\\n' < /proc/%s/environ", process)


_TLS = "/etc/prometheus/tls"
_JOBS = [{"name": "node", "targets": ["mol-01:9100"]}]
_OF_NOBODY = [{"labels": {"alertname": "HostDown", "severity": "critical"}, "receivers": ["desk"]}]


@pytest.mark.parametrize(("role", "variables", "named"), [
    pytest.param("prometheus", {"prometheus_jobs": [{**_JOBS[0], "interval": "1 second"}]}, "1 second", marks=pytest.mark.long),
    ("prometheus", {"prometheus_rule_groups": [{"name": "bad", "rules": [{"alert": "A", "expr": "sum by ("}]}]}, "parse"),
    pytest.param("prometheus", {"prometheus_jobs": [*_JOBS, *_JOBS]}, "two jobs share a name", marks=pytest.mark.long),
    pytest.param("prometheus", {"prometheus_jobs": [{"name": "node", "targets": ["http://mol-01:9100"]}]}, "expected HOST:PORT",
                 marks=pytest.mark.long),
    pytest.param("prometheus", {"prometheus_threshold_overrides": {"cpu_bussy_ratio": 1}}, "cpu_bussy_ratio", marks=pytest.mark.long),
    pytest.param("prometheus", {"prometheus_retention_size": "4000TB"}, "do not fit", marks=pytest.mark.long),
    ("prometheus", {"prometheus_web": {"certificate": f"{_TLS}/none.crt", "key": f"{_TLS}/host.key"}}, "No such file"),
    ("prometheus", {"prometheus_web": {"certificate": f"{_TLS}/authority.crt", "key": f"{_TLS}/host.key"}}, "mismatch"),
    pytest.param("prometheus", {"prometheus_web": {"users": {"desk": "not hashed"}}}, "expected a hash by bcrypt", marks=pytest.mark.long),
    ("alertmanager", {"alertmanager_default_receiver": "dsk"}, "receiver dsk: is not among alertmanager_receivers"),
    ("alertmanager", {"alertmanager_routes": [{"receiver": "desk", "matchers": ["severity=~("]}]}, "refused the configuration"),
    ("alertmanager", {"alertmanager_route_tests": _OF_NOBODY}, "alertmanager_route_tests[0]"),
])
def test_wrong_input_is_refused_and_changes_nothing(host, wrong_input, role: str, variables: dict, named: str) -> None:
    def stands() -> str:
        return host.check_output("cat /etc/prometheus/*.yml /etc/prometheus/rules/*.yml; ls /etc/prometheus/web; "
                                 "systemctl show -P MainPID prometheus.service prometheus-alertmanager.service")

    before = stands()
    given = {"prometheus_jobs": _JOBS} if role == "prometheus" else {}
    tasks = [{"ansible.builtin.import_role": {"name": f"hft.ops.{role}"}}]
    said = wrong_input("mol-01", tasks, *_OPTIONS, "--extra-vars", json.dumps({**given, **variables}), "--skip-tags", "prometheus_verify")
    assert named in said
    assert stands() == before
    assert _query(host, "prometheus_config_last_reload_successful")[0]["value"][1] == "1"


def test_jobs_are_a_reload_targets_are_none_and_a_wrong_authority_is_named(host, play) -> None:
    def run(jobs: list[dict]) -> int:
        tasks = [{"ansible.builtin.import_role": {"name": "hft.ops.prometheus"}}]
        return _changed(play("mol-01", tasks, *_OPTIONS, "--extra-vars", json.dumps({"prometheus_jobs": jobs})))

    def reloaded_at() -> str:
        return _get(host, 9090, "/metrics").partition("\nprometheus_config_last_reload_success_timestamp_seconds ")[2].split()[0]

    process = host.check_output("systemctl show -P MainPID prometheus.service")
    host.check_output("openssl req -x509 -newkey ed25519 -nodes -keyout /dev/null -subj /CN=other -out /etc/prometheus/tls/other.crt")
    before = reloaded_at()
    job = {"name": "node", "targets": ["mol-01:9100"],
           "options": {"scheme": "https", "tls_config": {"ca_file": "/etc/prometheus/tls/other.crt"}}}
    assert run([job]) > 0
    after = reloaded_at()
    assert after != before
    assert run([{**job, "targets": ["mol-01:9100", "mol-02:9100"]}]) == 1
    targets = json.loads(_get(host, 9090, "/api/v1/targets?state=active"))["data"]["activeTargets"]
    assert sorted(target["discoveredLabels"]["__address__"] for target in targets) == ["mol-01:9100", "mol-02:9100"]
    assert reloaded_at() == after, "a host more reloads nothing"
    assert host.check_output("systemctl show -P MainPID prometheus.service") == process
    _query(host, "up%7Bjob=%22node%22%7D==0")
    targets = json.loads(_get(host, 9090, "/api/v1/targets?state=active"))["data"]["activeTargets"]
    assert any("certificate signed by unknown authority" in target["lastError"] for target in targets)


@pytest.mark.long
def test_a_program_from_an_archive_of_a_mirror(host, play, wrong_input) -> None:
    host.check_output("mkdir -p /run/mirror/p-1 && cp /usr/bin/prometheus-process-exporter /run/mirror/p-1/process-exporter"
                      " && tar -C /run/mirror -czf /run/mirror/p.tar.gz p-1")
    host.check_output("systemd-run --quiet --collect --unit=mirror python3 -m http.server 9912 --bind 127.0.0.1 --directory /run/mirror")
    sha256 = host.check_output("sha256sum /run/mirror/p.tar.gz").split()[0]
    tasks = [{"ansible.builtin.import_role": {"name": "hft.ops.process_exporter"}}]

    def options(digest: str) -> tuple[str, ...]:
        source = {"url": "http://127.0.0.1:9912/p.tar.gz", "sha256": digest}
        return (*_OPTIONS, "--extra-vars", json.dumps({"process_exporter_source": source}))

    assert f"sha256 is {sha256}, expected" in wrong_input("mol-01", tasks, *options("0" * 64))
    assert "namedprocess" in _get(host, 9256, "/metrics")
    assert _changed(play("mol-01", tasks, *options(sha256))) > 0
    process = host.check_output("systemctl show -P MainPID prometheus-process-exporter.service")
    assert host.check_output("readlink /proc/%s/exe", process) == f"/opt/hft_monitoring/process_exporter-{sha256[:12]}/process-exporter"
    assert _changed(play("mol-01", tasks, *options(sha256))) == 0
    host.check_output("systemctl stop mirror.service")
