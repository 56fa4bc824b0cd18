# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host itself says after everything that host.yml applies ran."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

testinfra_hosts = ["mol-01"]

# As in converge.yml.
_VARIABLES = {
    "time_sync_adjust_clock": False,
    "sysctl_extra_settings": {"net.ipv4.tcp_mtu_probing": 1},
    "limits_units": [{"name": "ssh.service", "limits": {"nofile": "1024:10000"}}],
    "base_mounts": [{"where": "/srv/hft-ticks", "what": "tmpfs", "type": "tmpfs", "options": "size=16M"}],
    "base_network_files": {"/etc/systemd/network/60-hft.network": "[Match]\nName=none\n"},
    "base_network_apply": [["true"]],
    "base_network_return_after_s": 600,
    "cpu_isolation_cpus": "1",
    "hugepages_pools": [{"size": "2M", "count": 64}],
}
_AUDIT = Path(__file__).parents[2] / "playbooks" / "host_audit.yml"


@pytest.fixture
def converge(play, tmp_path, monkeypatch):
    """Run roles again; returns what changed, as (task, path)."""

    def run(roles: tuple[str, ...], *options: str) -> set[tuple[str, str]]:
        record = tmp_path / "record.jsonl"
        monkeypatch.setenv("HFT_RUN_RECORD", str(record))
        tasks = [{"name": role, "ansible.builtin.import_role": {"name": f"hft.ops.{role}"}} for role in roles]
        done = play("mol-01", tasks, "--extra-vars", json.dumps(_VARIABLES), *options)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = map(json.loads, record.read_text().splitlines())
        return {(line["task"].rpartition(" : ")[2], line["path"]) for line in lines if line["event"] == "changed"}

    return run


@pytest.fixture
def fingerprint(host):
    """Call it twice to see whether anything in /etc or any unit is another."""

    def take() -> str:
        return host.check_output("find /etc -type f -exec sha256sum {} + | sort; "
                                 "find /etc -type l -printf '%p %l\n' | sort; "
                                 "systemctl list-unit-files --no-legend; "
                                 "systemctl list-units --no-legend --plain --type=service --state=running")

    return take


def test_trading_user_is_a_system_user_without_password(host):
    user = host.user("hft_user")
    assert (user.home, user.shell, user.group) == ("/opt/hft_system", "/bin/bash", "hft_user")
    assert user.uid < 1000
    assert user.password.startswith("!")


def test_session_of_the_trading_user_opens_with_the_limits_that_this_host_grants(host):
    """Limits that the host cannot grant must not lock the user out."""
    ceiling = host.check_output("awk '/Max open files/ {print $5}' /proc/1/limits")
    assert host.check_output("su - hft_user -c 'ulimit -Hn' 2>/dev/null") == str(min(int(ceiling), 65536))


def test_service_gets_its_limits_when_it_starts(host):
    host.check_output("systemctl restart ssh.service")
    pid = host.check_output("systemctl show --property MainPID --value ssh.service")
    assert host.check_output(f"awk '/Max open files/ {{print $4, $5}}' /proc/{pid}/limits") == "1024 10000"


def test_systemd_reads_the_sysctl_file_at_boot(host):
    merged = host.check_output("systemd-analyze cat-config sysctl.d")
    assert "# /etc/sysctl.d/90-hft.conf" in merged
    assert "vm.swappiness = 1" in merged


def test_every_key_is_as_wanted_or_this_host_refuses_to_write_it(host):
    """The verdict not_applicable, held against the kernel: what the file wants is live, or cannot be written."""
    wanted = [line.split(" = ") for line in host.file("/etc/sysctl.d/90-hft.conf").content_string.splitlines() if " = " in line]
    assert len(wanted) == 10
    for key, value in wanted:
        path = "/proc/sys/" + key.replace(".", "/")
        live = host.run(f"cat {path}")
        if live.stdout.split() != value.split():
            assert host.run(f"echo '{value}' > {path}").rc != 0, f"{key} says {live.stdout}, and can be written"


def test_chrony_measures_and_does_not_touch_the_clock(host):
    assert host.service("chrony").is_running
    # The second process is chronyd's helper for names; both have the flags.
    assert all("-x" in process.args.split() for process in host.process.filter(comm="chronyd"))
    assert len(host.check_output("chronyc -c -n tracking").split(",")) == 14
    assert host.run("grep -E '^(makestep|rtcsync)' /etc/chrony/chrony.conf").rc == 1


def test_unwanted_timer_cannot_be_started(host):
    assert host.run("systemctl start apt-daily.timer").rc != 0
    assert host.service("apt-daily.timer").is_masked


def test_journal_runs_with_its_limits(host):
    assert "SystemMaxUse=2G" in host.check_output("systemd-analyze cat-config systemd/journald.conf")
    started = host.check_output("date +%s --date=\"$(systemctl show --property ExecMainStartTimestamp --value systemd-journald)\"")
    assert int(started) >= int(host.check_output("stat --format %Y /etc/systemd/journald.conf.d/90-hft.conf"))


def test_logs_are_rotated_while_the_writer_keeps_its_file(host):
    log = "/var/log/hft_system/system.log"
    host.check_output(f"su hft_user -c 'echo before > {log}'")
    inode = host.check_output(f"stat --format %i {log}")
    host.check_output("logrotate --force /etc/logrotate.d/hft_system")
    assert host.file(f"{log}.1").content_string == "before\n"
    assert (host.file(log).size, host.check_output(f"stat --format %i {log}")) == (0, inode)
    host.check_output(f"rm {log} {log}.1")


def test_a_mount_is_there_and_takes_its_options_up_while_it_is_used(host, converge):
    assert host.mount_point("/srv/hft-ticks").options.count("size=16384k") == 1
    holder = host.check_output("cd /srv/hft-ticks && nohup sleep 600 >/dev/null 2>&1 & echo $!")
    smaller = json.dumps({"base_mounts": [{**_VARIABLES["base_mounts"][0], "options": "size=8M"}]})
    assert ("Take up the options of the mounts", "srv-hft\\x2dticks.mount") in converge(("base",), "--extra-vars", smaller)
    assert "size=8192k" in host.mount_point("/srv/hft-ticks").options
    host.check_output(f"kill {holder}")
    converge(("base",))


def test_a_network_that_was_reached_anew_stays(host):
    assert host.file("/etc/systemd/network/60-hft.network").content_string == "[Match]\nName=none\n"
    assert not host.service("hft-network-return.timer").is_running


def test_a_network_that_nobody_confirms_is_the_old_one_again(host, play):
    """The link that the files bring up is down for as long as nobody comes back."""
    host.check_output("ip link add hft0 type veth peer hft1 && ip link set hft0 up")
    task = {"name": "Cut off", "hft.ops.network_config": {
        "files": {"/etc/systemd/network/60-hft.network": "another\n"}, "return_after_s": 10, "apply_after_s": 1,
        "apply": [["sh", "-c", "grep -q another /etc/systemd/network/60-hft.network && ip link set hft0 down || ip link set hft0 up"]]}}
    assert play("mol-01", [task]).returncode == 0
    assert host.file("/etc/systemd/network/60-hft.network").content_string == "another\n"
    wait = "for i in $(seq 1 300); do ip link show hft0 | grep -q '{}' && exit 0; sleep 0.1; done; exit 1"
    host.check_output(wait.format("state DOWN"))
    host.check_output(wait.format(",UP"))
    assert host.file("/etc/systemd/network/60-hft.network").content_string == "[Match]\nName=none\n"
    host.check_output("ip link del hft0")


@pytest.fixture
def audit(tmp_path):
    """host_audit.yml: how every knob stands, by role and name."""

    def run() -> dict[str, dict]:
        said = json.dumps({**_VARIABLES, "host_hosts": "mol-01", "host_report_folder": str(tmp_path)})
        done = subprocess.run(["ansible-playbook", f"--inventory={_AUDIT.parents[1]}/molecule/inventory", str(_AUDIT), "-e", said],
                              env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        knobs = json.loads((tmp_path / "mol-01.json").read_text())["knobs"]
        return {f"{one['role']} {one['name']}": one for one in knobs}

    return run


def test_the_audit_of_a_container_shows_what_was_changed_by_hand_and_why_the_kernel_is_not_ours(host, audit, converge, fingerprint):
    host.check_output("sed -i 's/^hft_user - nofile .*/hft_user - nofile 1024/' /etc/security/limits.d/90-hft.conf")
    before = fingerprint()
    found = audit()
    assert fingerprint() == before
    # chrony has nobody to ask in a lab without a time server.
    assert {name for name, one in found.items() if one["status"] == "drifted"} - {"time_sync clock offset"} == {"limits hft_user - nofile"}
    kernel = {name: one for name, one in found.items() if one["role"] in ("realtime_kernel", "cpu_isolation", "hugepages", "cpu_power")}
    assert kernel
    assert not {name: one for name, one in kernel.items() if one["status"] != "not_applicable" or not one["reason"]}
    assert converge(("limits",)) == {("Configure | limits of sessions and services", "/etc/security/limits.d/90-hft.conf")}


@pytest.mark.long
def test_only_what_was_broken_by_hand_is_repaired_and_check_mode_says_so_before(host, converge):
    host.check_output("echo 'vm.swappiness = 60' >> /etc/sysctl.d/90-hft.conf")
    host.check_output("chmod 0666 /etc/security/limits.d/90-hft.conf")
    host.check_output("systemctl stop chrony.service")
    host.check_output("apt-get purge --yes logrotate")
    broken = {
        ("Configure | kernel parameters", "/etc/sysctl.d/90-hft.conf"),
        ("Configure | limits of sessions and services", "/etc/security/limits.d/90-hft.conf (mode)"),
        ("Service | chrony on, other time daemons off", "chrony.service"),
        ("Install | packages of every host", "logrotate"),
        ("Service | log rotation on, unwanted units off, mounts there", "logrotate.timer"),
    }
    assert converge(("base", "sysctl", "limits", "time_sync"), "--check") == broken
    assert converge(("base", "sysctl", "limits", "time_sync")) == broken


_WRONG = [
    ({"hft.ops.sysctl": {"settings": {"vm.swapiness": 1, "net.ipv4.tcp_nodelay": 1}}},
     ["vm.swapiness: this kernel has no such key; the nearest is vm.swappiness", "net.ipv4.tcp_nodelay: is not a sysctl"]),
    ({"hft.ops.limits": {"entries": [{"domain": "x", "item": "nofile", "value": "unlimited"}]}},
     ["entries: x both nofile: cannot be unlimited"]),
    ({"hft.ops.limits": {"entries": [{"domain": "x", "item": "nofiles", "value": "1"}]}}, ["got: nofiles"]),
    ({"hft.ops.services": {"units": [{"name": "nothing.service", "state": "started"}]}}, ["nothing.service: no such unit on this host"]),
    ({"hft.ops.services": {"units": [{"name": "apt-daily.timer", "state": "started"}]}}, ["apt-daily.timer: is masked on this host"]),
    ({"hft.ops.packages": {"names": ["Chrony", "chrony=new"]}}, ["names: 'Chrony': expected the name of a Debian package", "'chrony=new'"]),
    ({"hft.ops.packages": {"names": ["chrony=0.0-1"]}}, ["apt-get install chrony=0.0-1", "0.0-1"]),
    ({"hft.ops.accounts": {"groups": [{"name": "root", "gid": 5}]}}, ["groups: root: has gid 0 on this host, wanted 5"]),
    ({"ansible.builtin.import_role": {"name": "hft.ops.time_sync"}, "vars": {"time_sync_extra_directives": ["hwtimestmp *"]}},
     ["chronyd -p refused the configuration, the old files stand", "hwtimestmp"]),
]


def test_wrong_input_is_told_and_changes_nothing(wrong_input, fingerprint):
    """All of it in one run; the last one, which nothing lets pass, makes the run fail."""
    before = fingerprint()
    tasks = [{"name": f"Wrong {number}", "ignore_errors": number < len(_WRONG), **task} for number, (task, _) in enumerate(_WRONG, 1)]
    said = wrong_input("mol-01", tasks, "--extra-vars", '{"time_sync_adjust_clock": false}')
    missing = [words for _, expected in _WRONG for words in expected if words not in said]
    assert not missing, said
    assert fingerprint() == before


def test_misspelt_variable_ends_the_run_before_the_host_is_touched(wrong_input, fingerprint):
    before = fingerprint()
    tasks = [{"name": role, "ansible.builtin.import_role": {"name": f"hft.ops.{role}"}} for role in ("preflight", "base")]
    said = wrong_input("mol-01", tasks, "--extra-vars", "base_log_dri=/x")
    assert "base_log_dri" in said
    assert "did you mean base_log_dir?" in said
    assert fingerprint() == before


def test_the_record_says_what_was_changed_and_undo_gives_the_host_back(host, play):
    """Everything that the roles did, back by the record that they left on the host. The last test, because nothing of them is left."""
    undo = [{"name": "Undo", "ansible.builtin.import_role": {"name": "hft.ops.host_undo"}}]
    assert "vm.swappiness" in host.file("/var/lib/hft_ops/changes.jsonl").content_string
    done = play("mol-01", undo)
    assert done.returncode == 0, done.stdout + done.stderr
    gone = ("/etc/sysctl.d/90-hft.conf", "/etc/security/limits.d/90-hft.conf", "/etc/systemd/journald.conf.d/90-hft.conf",
            "/etc/systemd/system/srv-hft\\x2dticks.mount", "/etc/systemd/network/60-hft.network")
    assert not [path for path in gone if host.file(path).exists]
    assert not host.service("apt-daily.timer").is_masked
    assert not host.package("chrony").is_installed
    again = play("mol-01", undo, "--diff").stdout
    assert "changed=0" in again, again
