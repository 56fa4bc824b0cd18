# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-regions`: regions.yml in check mode on four regions of simulated hosts, each an engine that answers on this machine.

One program plays all engines; one of each region trades. Every host is asked before and after, those of the first region pass its gates
too. Writes build/bench/regions.json and prints it as the last line; exit 1 when 200 hosts take 5 minutes or more, a host sees more than six
tasks, or a host of many costs more than one of few.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from conclusion import conclude

from lab import machine
from lab.failure import LabError
from lab.paths import BUILD, ROOT

_RESULT = BUILD / "bench" / "regions.json"
_WORK = BUILD / "bench" / "regions"
_REGIONS = ("us_east", "eu_west", "asia_east", "south")
_FLEETS = (40, 200)
_PORT = 20_000
_BAR_S, _BAR_TASKS, _BAR_GROWTH = 300, 6, 1.25


class _Engines:
    """Every engine of the fleet, each on a port of its own."""

    def __init__(self, hosts: dict[str, int], version: str) -> None:
        self._servers = []
        for host, port in hosts.items():
            region, _sep, number = host.rpartition("-")
            holder = f"{region}-000/1"
            rows = [{"id": f"mm-{region}", "state": "running", "trading": number == "000", "paper_trading": False, "holder": holder,
                     "epoch": 3, "killed": False, "open_orders": 0, "position": 0.0, "venue": "paper", "accepted": {},
                     "performance": {"orders": 1}}]
            status = {"role": "primary" if number == "000" else "standby", "version": version, "engine": host, "holder": f"{host}/1",
                      "trading_enabled": True, "killswitch": False, "strategies": rows,
                      "exchanges": [{"name": "paper", "status": "connected"}], "database": {"connected": True, "host": "db"},
                      "lag": {"queue_depth": 0, "oldest_ms": 0}, "uptime_seconds": 9.0}
            self._servers.append(ThreadingHTTPServer(("127.0.0.1", port), _answering(json.dumps(status).encode())))

    def __enter__(self) -> None:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def __exit__(self, *_error: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _answering(body: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    return Handler


def _inventory(size: int) -> tuple[Path, dict[str, int]]:
    """Four regions of equal size; the first host of each trades, the second one takes."""
    each = size // len(_REGIONS)
    hosts = {f"{region}-{number:03}": _PORT + at * each + number for at, region in enumerate(_REGIONS) for number in range(each)}
    groups = {f"region_{region}": {"hosts": {host: {} for host in hosts if host.startswith(f"{region}-")}} for region in _REGIONS}
    told = {"all": {"vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False},
                    "children": {"engine": {"hosts": {host: {"engine_api_port": port} for host, port in hosts.items()}}, **groups}}}
    _WORK.mkdir(parents=True, exist_ok=True)
    file = _WORK / f"fleet-{size}.yml"
    file.write_text(yaml.safe_dump(told))
    return file, hosts


def _values() -> dict[str, Any]:
    """What a rollout needs to be told: a release, and a reason for each gate that simulated hosts cannot pass."""
    archive = _WORK / "hft_system-2.tar.gz"
    archive.write_bytes(b"no release: nothing is installed")
    return {
        "regions": [{"name": region, "to": f"{region}-001"} for region in _REGIONS],
        "regions_release": {"version": "2", "archive": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
        "gates_override": {"deployment lock": "no database", "replication lag": "no database", "free disk": "simulated"},
        "gates_max_clock_offset_ms": 0, "gates_disk": "/",
    }


def _run(size: int) -> dict[str, Any]:
    """Until the first region is refused where its release would be installed: simulated hosts have no account and no service."""
    inventory, hosts = _inventory(size)
    argv = ["ansible-playbook", "-i", str(inventory), "--check", "--forks", "20", "-e", json.dumps(_values()),
            str(ROOT / "playbooks" / "regions.yml")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with _Engines(hosts, "1"):
        begin = time.monotonic()
        done = subprocess.run(argv, cwd=ROOT, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        took_s = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "nothing was moved, us_east-000 trades as before" not in " ".join(done.stdout.split()):
        raise LabError(f"regions.yml did not come to the first region: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    tasks = _tasks(done.stdout)
    common = [count for host, count in tasks.items() if not host.endswith("-001")]
    return {"hosts": len(tasks), "took_s": round(took_s, 1), "controller_cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime
            - before.ru_stime, 1), "controller_rss_mb": round(after.ru_maxrss / 1024), "tasks_of_a_host": max(common)}


def _tasks(said: str) -> dict[str, int]:
    """By host, without arguments that the control node holds against their specification."""
    asked = [part for part in re.split(r"^TASK ", said, flags=re.MULTILINE) if "Validating arguments" not in part.split("\n")[0]]
    return Counter(host for part in asked for host in re.findall(r"^(?:ok|changed): \[(\S+-\d{3})\]", part, re.MULTILINE))


def main() -> int:
    result = machine.head(None)
    try:
        result["fleet"] = [_run(size) for size in _FLEETS]
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    small, large = result["fleet"]
    faults = [f"{large['hosts']} hosts took {large['took_s']} s, under {_BAR_S} s was wanted"] if large["took_s"] >= _BAR_S else []
    if large["tasks_of_a_host"] > _BAR_TASKS:
        faults.append(f"{large['tasks_of_a_host']} tasks a host, at most {_BAR_TASKS} were wanted")
    growth = round((large["took_s"] / large["hosts"]) / (small["took_s"] / small["hosts"]), 2)
    result["growth_per_host"] = growth
    if growth > _BAR_GROWTH:
        faults.append(f"a host of {large['hosts']} costs {growth} times one of {small['hosts']}, at most {_BAR_GROWTH} was wanted")
    return conclude(result, _RESULT, faults)


if __name__ == "__main__":
    sys.exit(main())
