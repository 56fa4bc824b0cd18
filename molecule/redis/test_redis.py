# SPDX-License-Identifier: GPL-3.0-or-later
"""The caches are asked by who may, who may not, and another host; what is full makes room; what Redis does not take changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from patience import until

testinfra_hosts = ["mol-01"]

_ROOT = Path(__file__).resolve().parents[2]
_HOSTS = Path(__file__).parent / "inventory" / "hosts.yml"
_INVENTORY = f"--inventory={_HOSTS}"
_USERS = {one["name"]: one["password"] for one in yaml.safe_load(_HOSTS.read_text())["redis"]["vars"]["redis_users"]}
_USERS["hft_monitoring"] = "monitoring-of-the-scenario"
_ROLE = {"name": "Cache", "ansible.builtin.import_role": {"name": "hft.ops.redis"}}
_WRITTEN = "Configure | cache and users, tried by a start beside the running one"
_FILES = "/etc/redis/redis.conf /etc/redis/users.acl /etc/systemd/system/redis-server.service.d/hft.conf"
# A client of a few lines, for a host that has no Redis: says one line after the other, and tells what it hears.
_CLIENT = """
import json, socket, ssl, sys
host, secured, lines = json.load(sys.stdin)
client = socket.create_connection((host, 6379), timeout=5)
if secured:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(client)
with client.makefile() as heard:
    for line in lines:
        client.sendall((line + chr(10)).encode())
        print(heard.readline().strip())
"""


def _there(host, name: str):
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _cli(host, *lines: str, user: str = "dashboards") -> list[str]:
    """What Redis says to a user of this host, without the answer to the login."""
    secured = "--tls --cacert /etc/ssl/redis/authority.crt" if "tls-port" in host.check_output("cat /etc/redis/redis.conf") else ""
    said = host.check_output(f"printf '%%s\\n' %s | redis-cli -h 127.0.0.1 {secured}", "\n".join([f"AUTH {user} {_USERS[user]}", *lines]))
    first, *others = [line for line in said.splitlines() if line]
    assert first == "OK", said
    return others


def _figure(host, name: str, section: str = "stats") -> str:
    return dict(line.split(":", 1) for line in _cli(host, f"INFO {section}", user="hft_monitoring") if ":" in line)[name]


def _asked_from(host, name: str, secured: bool, *lines: str):
    return host.run("echo %s | python3 -c %s", json.dumps([name, secured, lines]), _CLIENT)


def _pid(host) -> str:
    return host.check_output("systemctl show -P MainPID redis-server.service")


def _changed(done) -> list[str]:
    """Tasks and handlers under which a host changed."""
    assert done.returncode == 0, done.stdout + done.stderr
    found, task = [], ""
    for line in done.stdout.splitlines():
        if line.startswith(("TASK [", "RUNNING HANDLER [")):
            task = line.split("[", 1)[1].split("]")[0]
        elif line.startswith("changed:"):
            found.append(task)
    return found


@pytest.mark.parametrize("name", ["redis-server", "prometheus-redis-exporter"])
def test_services_run_now_and_at_boot_without_a_privilege_too_many(host, name: str) -> None:
    service = host.service(f"{name}.service")
    assert service.is_running
    assert service.is_enabled
    status = host.check_output("cat /proc/$(systemctl show -P MainPID %s.service)/status", name)
    assert int(status.partition("CapBnd:")[2].split()[0], 16) == 0
    assert "NoNewPrivs:\t1" in status
    assert "\nUid:\t0\t" not in status
    host.check_output("systemd-analyze security --no-pager --threshold=20 %s.service", name)


def test_it_stays_on_its_cpus_and_within_its_memory(host) -> None:
    assert "Cpus_allowed_list:\t0\n" in host.check_output(f"cat /proc/{_pid(host)}/status") + "\n"
    assert host.check_output("systemctl show -P MemoryMax redis-server.service") == str((2 * 16 + 256) << 20)
    assert host.check_output(f"cat /proc/{_pid(host)}/oom_score_adj") == "500"


def test_it_cannot_write_what_says_who_may_log_in(host) -> None:
    assert "Read-only file system" in host.run(f"touch /proc/{_pid(host)}/root/etc/redis/users.acl").stderr


def test_passwords_stand_on_the_host_as_sums_alone(host) -> None:
    acl = host.file("/etc/redis/users.acl")
    assert (acl.user, acl.group, acl.mode) == ("root", "redis", 0o640)
    seen = host.check_output("cat /etc/redis/*; ps -e -o args; journalctl --no-pager -u redis-server -u prometheus-redis-exporter")
    assert not [password for password in _USERS.values() if password in seen]


def test_another_host_gets_in_by_tls_and_with_a_password_alone(host) -> None:
    peer = _there(host, "mol-02")
    get, login, write = "GET dashboards:a", f"AUTH dashboards {_USERS['dashboards']}", "SET dashboards:a 1"
    said = _asked_from(peer, "mol-01", True, get, "AUTH dashboards wrong", login, write, "EXPIRE dashboards:a 60")
    assert [line.split()[0] for line in said.stdout.splitlines()] == ["-NOAUTH", "-WRONGPASS", "+OK", "+OK", ":1"]
    assert "OK" not in _asked_from(peer, "mol-01", False, login, write).stdout
    assert "ConnectionRefusedError" in _asked_from(peer, "mol-03", False, login).stderr


def test_the_certificate_is_of_the_authority_and_good_for_every_address(host) -> None:
    verified = "openssl s_client -CAfile /etc/ssl/redis/authority.crt -verify_return_error -connect %s:6379 -verify_ip %s </dev/null"
    for address in ("127.0.0.1", "10.213.78.11"):
        host.check_output(verified, address, address)
    assert host.run("openssl s_client -connect 127.0.0.1:6379 -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null").rc != 0


def test_a_user_gets_what_is_his_and_no_more(host) -> None:
    assert _cli(host, "SET dashboards:b 2 EX 60", "GET dashboards:b", "PUBLISH dashboards:news 1") == ["OK", "2", "0"]
    others = ["GET else:b", "PUBLISH else:news 1", "FLUSHALL", "CONFIG GET dir", "KEYS *", "EVAL 'return 1' 0", "ACL LIST", "SAVE",
              "SHUTDOWN"]
    assert [line.split()[0] for line in _cli(host, *others)] == ["NOPERM"] * len(others)
    assert [line.split()[0] for line in _cli(host, "GET shared:a", "SET shared:a 1", user="reader")][-1] == "NOPERM"
    assert [line.split()[0] for line in _cli(host, "GET shared:a", "CONFIG SET dir /tmp", user="hft_monitoring")] == ["NOPERM"] * 2


def test_what_is_old_makes_room(host) -> None:
    """Twice of what it may keep is written, and each write is taken."""
    login = f"AUTH dashboards {_USERS['dashboards']}"
    writes = ("BEGIN {print ENVIRON[\"LOGIN\"]; x = sprintf(\"%4000s\", \"\"); gsub(/ /, \"x\", x); "
              "for (n = 0; n < 8000; n++) print \"SET dashboards:\" n, x}")
    cli = "redis-cli -h 127.0.0.1 --tls --cacert /etc/ssl/redis/authority.crt"
    assert host.check_output(f"LOGIN=%s awk %s | {cli} | sort | uniq -c", login, writes).split() == ["8001", "OK"]
    assert int(_figure(host, "evicted_keys")) > 1000
    assert int(_figure(host, "used_memory", "memory")) < 17 << 20


def test_it_forgets_at_a_restart_unless_it_keeps_a_log(host) -> None:
    other = _there(host, "mol-03")
    for one, kept in ((host, ""), (other, "1")):
        assert _cli(one, "SET shared:kept 1") == ["OK"]
        one.check_output("sleep 1.2; systemctl restart redis-server.service")
        assert "".join(_cli(one, "GET shared:kept")) == kept
    assert "vm.overcommit_memory = 1" in other.check_output("cat /etc/sysctl.d/90-hft-redis.conf")
    assert not host.file("/etc/sysctl.d/90-hft-redis.conf").exists


def test_its_end_is_told(host) -> None:
    code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9121/metrics', timeout=9).read().decode())"
    ask = f'python3 -c "{code}" | grep "^redis_"'
    assert "redis_up 1" in host.check_output(ask)
    assert "redis_memory_max_bytes 1.6777216e+07" in host.check_output(ask)
    host.check_output("systemctl stop redis-server.service")
    try:
        assert "redis_up 0" in host.check_output(ask)
    finally:
        host.check_output("systemctl start redis-server.service")
    until(lambda: "redis_up 1" in host.check_output(ask))


def test_a_change_restarts_it_once_and_an_edit_by_hand_is_repaired(host, play) -> None:
    before = _pid(host)
    changed = _changed(play("mol-01", [{**_ROLE, "vars": {"redis_max_clients": 900}}], _INVENTORY))
    assert changed == [f"hft.ops.redis : {task}" for task in (_WRITTEN, "Restart redis")]
    assert _pid(host) != before
    host.check_output("echo 'user default on nopass ~* +@all' >> /etc/redis/users.acl; systemctl stop redis-server.service")
    assert _changed(play("mol-01", [_ROLE], _INVENTORY)) == [f"hft.ops.redis : {task}" for task in (_WRITTEN, "Service | now and at boot")]
    assert _figure(host, "maxclients", "clients") == "1000"
    assert not _changed(play("mol-01", [_ROLE], _INVENTORY, "--diff"))


def test_where_clients_need_a_certificate_a_password_alone_is_not_enough(host, play) -> None:
    """The role itself asks with one, or it would fail."""
    changed = _changed(play("mol-01", [{**_ROLE, "vars": {"redis_tls_clients": True}}], _INVENTORY))
    try:
        said = _asked_from(_there(host, "mol-02"), "mol-01", True, f"AUTH dashboards {_USERS['dashboards']}").stdout
    finally:
        assert _changed(play("mol-01", [_ROLE], _INVENTORY)) == changed
    assert "OK" not in said


def test_check_mode_plans_another_password_without_trying_it(host, play) -> None:
    before = _pid(host)
    users = [{"name": "dashboards", "password": "another-of-the-scenario"}]
    done = play("mol-01", [{**_ROLE, "vars": {"redis_users": users}}], _INVENTORY, "--check", "--diff", "-v")
    assert "hft.ops.redis : Restart redis" in _changed(done)
    assert "another-of-the-scenario" not in done.stdout + done.stderr
    assert _pid(host) == before


@pytest.mark.parametrize(("change", "said"), [
    ({"redis_bind": ["127.0.0.1", "10.99.99.99"]}, "10.99.99.99"),
    ({"redis_users": [{"name": "a", "password": "sixteen-characters", "commands": ["+@nonsense"]}]}, "Unknown command or category name"),
    ({"redis_port": 22}, "port 22: user root listens on it already"),
    ({"redis_tls": False}, "10.213.78.11 is beyond loopback"),
    ({"redis_make_certificates": False, "redis_tls_key": "/etc/ssl/none.key"}, "/etc/ssl/none.key: there is no such file"),
    ({"redis_make_certificates": False, "redis_tls_key": "/etc/ssh/ssh_host_ed25519_key"}, "Failed to load private key"),
    ({"redis_users": [{"name": "a", "password": "short"}]}, "expected passwords of 16 to 128"),
    ({"redis_users": [{"name": "a", "password": "sixteen-characters", "prefixes": ["a b"]}]}, "expected at least one, names that differ"),
])
def test_what_redis_does_not_take_changes_nothing(host, wrong_input, change: dict, said: str) -> None:
    before = (host.check_output(f"sha256sum {_FILES}"), _pid(host))
    found = wrong_input("mol-01", [{**_ROLE, "vars": change}], _INVENTORY)
    assert said in found
    assert not [password for password in ("sixteen-characters", *_USERS.values()) if password in found]
    assert (host.check_output(f"sha256sum {_FILES}"), _pid(host)) == before


def test_prometheus_asks_it_by_the_job_of_its_alert(host) -> None:
    """Playbook monitoring, as far as it brings Prometheus: from the inventory to the alert."""
    given = {"monitoring_hosts": "mol-02", "monitoring_hosts_managed": "mol-01:mol-03", "monitoring_hosts_engine": "none",
             "monitoring_hosts_timescaledb": "none"}
    argv = ["ansible-playbook", f"--inventory={_ROOT}/molecule/inventory", _INVENTORY, f"--extra-vars={json.dumps(given)}",
            "--tags=prometheus", f"{_ROOT}/playbooks/monitoring.yml"]
    done = subprocess.run(argv, cwd=_ROOT, env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    peer = _there(host, "mol-02")

    def found(query: str) -> list[dict[str, str]]:
        code = ("import sys, urllib.request as u; "
                "print(u.urlopen('http://127.0.0.1:9090/api/v1/query?query=' + sys.argv[1], timeout=9).read().decode())")
        return [one["metric"] for one in json.loads(peer.check_output("python3 -c %s %s", code, query))["data"]["result"]]

    up = until(lambda: found("redis_up==1"))
    assert [(one["job"], one["instance"], one["host"]) for one in up] == [("redis_exporter", "mol-01:9121", "mol-01")]
    host.check_output("systemctl stop redis-server.service")
    try:
        alerts = until(lambda: found("ALERTS%7Balertname=%22RedisDown%22%7D"))
    finally:
        host.check_output("systemctl start redis-server.service")
    assert [(one["instance"], one["severity"]) for one in alerts] == [("mol-01:9121", "critical")]
