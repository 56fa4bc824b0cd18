# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-host`: the same state of a host by us and by the modules that people use today, beside each other in the same run.

On a container (20 kernel parameters, 12 limits, 8 services), with --vm on a virtual host too (6 arguments of the command line and 2
pools of huge pages more). Ours is one call of host_state; the modules that it stands for, in a row, are beside it. Time is that of the
tasks: start-up of Ansible and facts are left out, and so is update-grub, which all pay and which is told apart. Then what a fleet costs.
Writes build/bench/host.json and prints it as the last line; exit 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from conclusion import conclude
from distributions import distribution

from lab import docker_engine, hosts, image, machine, ssh_keys
from lab.failure import LabError
from lab.inventory import Host, Network
from lab.paths import BUILD, ROOT, STATE
from lab.vm import disk
from lab.vm.guest import Guest

_RESULT = BUILD / "bench" / "host.json"
_WORK = BUILD / "bench" / "host"
_HERE = Path(__file__).resolve().parent
_NETWORK = Network("hft_ops_bench", "172.31.250.0/24")
_HOST = Host("hft-bench-host", "172.31.250.11", "host")
_ROUNDS = 5
_SIDES = ("ours", "row", "theirs")
_FLEETS = (10, 50, 200)
_BAR_TIME, _BAR_CPU, _BAR_FLEET = 10, 5, 1.25
_ON_A_KERNEL = {
    "apply": "live",
    "state_arguments": [{"name": "skew_tick", "value": "1"}, {"name": "nosoftlockup", "value": "1"}, {"name": "audit", "value": "0"},
                        {"name": "transparent_hugepage", "value": "never"}, {"name": "nmi_watchdog", "value": "0"},
                        {"name": "workqueue.power_efficient", "value": "0"}],
    "state_pools": [{"size": "2M", "count": 16, "node": 0}, {"size": "2M", "count": 16, "node": 1}],
}
# update-grub tells how long it took: one side has it in a task of its own, the other inside a module.
_TIMED_MENU = """[ -e /usr/sbin/update-grub.real ] || mv /usr/sbin/update-grub /usr/sbin/update-grub.real
cat > /usr/sbin/update-grub << 'END'
#!/bin/sh
begin=$(date +%s.%N); /usr/sbin/update-grub.real "$@"; code=$?
echo "$(date +%s.%N) $begin" >> /run/update-grub.log; exit $code
END
chmod 755 /usr/sbin/update-grub"""
_BARE_KERNEL = ("; rm -f /etc/default/grub.d/*hft* /etc/tmpfiles.d/*hft*; cp /etc/default/grub.bench /etc/default/grub; "
                "rm -f /run/update-grub.log; echo 0 | tee /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages")
# What both sides wrote, so that each first run begins with none of it.
_BARE = ("rm -f /etc/sysctl.d/91-bench.conf /etc/security/limits.d/91-bench.conf /etc/tmpfiles.d/91-bench.conf; "
         "systemctl unmask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer; "
         "systemctl enable --now apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer")


def _play(playbook: str, inventory: Path, values: dict[str, Any], *options: str) -> tuple[dict[str, float], float, dict[str, Any]]:
    """Seconds by task, processor seconds of the control node, and the totals by host; LabError when it failed."""
    argv = ["ansible-playbook", "-i", str(inventory), "-e", json.dumps(values), *options, str(_HERE / playbook)]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise LabError(f"{playbook} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    told = json.loads(done.stdout[done.stdout.index("{"):])
    took = {task["task"]["name"]: _seconds(task["task"]["duration"]) for play in told["plays"] for task in play["tasks"]}
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, told["stats"]


def _seconds(duration: dict[str, str]) -> float:
    begin, end = (_moment(duration[key]) for key in ("start", "end"))
    return end - begin


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _side(playbook: str, inventory: Path, values: dict[str, Any], shell: Callable[[str], str]) -> dict[str, float]:
    """Seconds of the tasks without the boot menu, those of the boot menu, and of the control node's processors."""
    shell("rm -f /run/update-grub.log")
    took, cpu_s, _stats = _play(playbook, inventory, values)
    menu_s = sum(float(end) - float(begin) for end, begin in (line.split() for line in shell(
        "cat /run/update-grub.log 2> /dev/null || true").splitlines()))
    return {"tasks_s": sum(took.values()) - menu_s, "boot_menu_s": menu_s, "controller_cpu_s": cpu_s}


def _compare(inventory: Path, values: dict[str, Any], bare: str, shell: Callable[[str], str], rounds: int) -> dict[str, Any]:
    """All sides in turns, each from the bare state and then once more; figures per side and run, and the ratios of the medians."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {side: {"first": [], "second": []} for side in _SIDES}
    for number in range(rounds):
        for side in _SIDES if number % 2 else reversed(_SIDES):
            shell(bare)
            for run in ("first", "second"):
                found[side][run].append(_side(f"host_{side}.yml", inventory, values, shell))
    idle_s = min(_play("host_nothing.yml", inventory, values)[1] for _ in range(3))
    result: dict[str, Any] = {"start_up_cpu_s": round(idle_s, 3)}
    for run in ("first", "second"):
        sides = {}
        for side in _SIDES:
            measured = found[side][run]
            sides[side] = {"tasks_s": distribution([one["tasks_s"] for one in measured]),
                           "boot_menu_s": distribution([one["boot_menu_s"] for one in measured]),
                           "controller_cpu_s": distribution([max(0.001, one["controller_cpu_s"] - idle_s) for one in measured])}
        result[run] = {**sides, "ratio_time": _ratio(sides["theirs"], sides["ours"], "tasks_s"),
                       "ratio_controller_cpu": _ratio(sides["theirs"], sides["ours"], "controller_cpu_s"),
                       "ratio_time_of_the_row": _ratio(sides["theirs"], sides["row"], "tasks_s"),
                       "ratio_controller_cpu_of_the_row": _ratio(sides["theirs"], sides["row"], "controller_cpu_s")}
    return result


def _ratio(theirs: dict[str, Any], other: dict[str, Any], key: str) -> float:
    return round(theirs[key]["p50"] / other[key]["p50"], 2)


def _container(rounds: int) -> dict[str, Any]:
    docker_engine.ensure()
    image.build("host")
    hosts.up(_NETWORK, [_HOST])
    try:
        inventory = _WORK / "container.yml"
        options = f"-o UserKnownHostsFile={STATE}/ssh/known_hosts -o IdentitiesOnly=yes"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {_HOST.name: {
            "ansible_host": _HOST.address, "ansible_user": "deploy", "ansible_become": True, "ansible_ssh_common_args": options,
            "ansible_ssh_private_key_file": str(ssh_keys.control())}}}}))

        def shell(script: str) -> str:
            done = subprocess.run(["docker", "exec", _HOST.name, "sh", "-c", script], capture_output=True, text=True, check=False)
            return done.stdout

        return _compare(inventory, {"apply": "boot"}, _BARE, shell, rounds)
    finally:
        hosts.down(_NETWORK)


def _virtual(rounds: int) -> dict[str, Any]:
    with Guest("bench", disk.build()) as guest:
        guest.shell(f"cp /etc/default/grub /etc/default/grub.bench; {_TIMED_MENU}")
        return _compare(guest.inventory, _ON_A_KERNEL, _BARE + _BARE_KERNEL, guest.shell, rounds)


def _fleet(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """The audit of simulated hosts, which is all but the network: one call in check mode, run on this machine."""
    found = []
    for size in sizes:
        inventory = _WORK / f"fleet-{size}.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": {"ansible_connection": "local"},
                                                     "hosts": {f"sim-{number:03}": {} for number in range(size)}}}))
        values = {"apply": "boot", "systemd": Path("/run/systemd/system").is_dir()}
        took, cpu_s, _stats = _play("host_ours.yml", inventory, values, "--check", "--forks", "20")
        found.append({"hosts": size, "seconds_per_host": round(sum(took.values()) / size, 4),
                      "controller_cpu_s_per_host": round(cpu_s / size, 4)})
    return found


def measure(rounds: int, virtual: bool, fleets: tuple[int, ...]) -> tuple[dict[str, Any], list[str]]:
    """Everything in one object, and what misses its bar."""
    _WORK.mkdir(parents=True, exist_ok=True)
    result = machine.head(None)
    result["peers"] = "ansible.posix.sysctl, community.general.pam_limits, ansible.builtin.systemd, ansible.builtin.lineinfile"
    result["container"] = _container(rounds)
    if virtual:
        result["virtual_host"] = _virtual(max(1, rounds // 2))
    result["fleet"] = _fleet(fleets)
    faults = []
    for place in ("container", "virtual_host"):
        for run in ("first", "second") if place in result else ():
            for key, bar in (("ratio_time", _BAR_TIME), ("ratio_controller_cpu", _BAR_CPU)):
                if result[place][run][key] < bar:
                    faults.append(f"{place}, {run} run: {key} {result[place][run][key]}, at least {bar} was wanted")
    growth = round(result["fleet"][-1]["seconds_per_host"] / result["fleet"][0]["seconds_per_host"], 2)
    result["fleet_growth"] = growth
    if growth > _BAR_FLEET:
        faults.append(f"fleet: a host of {fleets[-1]} costs {growth} times one of {fleets[0]}, at most {_BAR_FLEET} was wanted")
    return result, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vm", action="store_true", help="on a virtual host too")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    arguments = parser.parse_args()
    try:
        result, faults = measure(arguments.rounds, arguments.vm, _FLEETS)
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return conclude(result, _RESULT, faults)


if __name__ == "__main__":
    sys.exit(main())
