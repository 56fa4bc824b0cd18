# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Prometheus on loopback, behind TLS and a password, filled with series that end just now; and its Alertmanager."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import docker_engine, image

_BCRYPT = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
PASSWORD = "correct horse"
WINDOW_S, STEP_S = 600, 5
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Server:
    url: str
    ca: Path
    other_ca: Path


def _level(phase: float) -> Callable[[int], float]:
    return lambda i: 10 + (i * 7 + phase) % 13 / 13


def _gauges() -> dict[str, Callable[[int], float | None]]:
    """By engine: tick_to_order_p99 at the i-th second; None where Prometheus was down."""
    return {
        "old": _level(0),
        "same": _level(2),
        "slower": lambda i: 1.1 * _level(2)(i),
        "part": lambda i: None if 40 <= i % WINDOW_S < 100 else _level(2)(i),
        "mostly_away": lambda i: None if i > 600 else _level(2)(i),
    }


def _counters() -> dict[str, Callable[[int], float]]:
    """By engine: orders_total; 20 a second with a ripple, restarted: from 0 again in the middle of the window."""
    return {"old": lambda i: 20 * i + i * 3 % 7, "restarted": lambda i: 20 * (i % 800) + (i * 5 + 2) % 7,
            "slow": lambda i: 15 * i + i * 3 % 7}


def _openmetrics(begin: int, seconds: int) -> str:
    lines = ["# TYPE tick_to_order_p99 gauge"]
    for engine, value in _gauges().items():
        lines += [f'tick_to_order_p99{{engine="{engine}"}} {sample:.6f} {begin + i}' for i in range(seconds)
                  if (sample := value(i)) is not None]
    lines.append("# TYPE orders counter")
    for engine, count in _counters().items():
        lines += [f'orders_total{{engine="{engine}"}} {count(i):.0f} {begin + i}' for i in range(seconds)]
    return "\n".join([*lines, "# EOF", ""])


def _certificates(folder: Path) -> None:
    for name in ("ca", "other"):
        _said("openssl", "req", "-x509", *_KEY, "-days", "1", "-subj", f"/CN={name}",
              "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")
    _said("openssl", "req", *_KEY, "-subj", "/CN=localhost", "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    _said("openssl", "x509", "-req", "-in", f"{folder}/server.csr", "-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-days", "1",
          "-extfile", f"{folder}/names", "-out", f"{folder}/server.pem")
    (folder / "server.key").chmod(0o644)  # read by the container's user


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def prometheus(folder: Path) -> Iterator[Server]:
    _certificates(folder)
    (folder / "series").write_text(_openmetrics(int(time.time()) - 1200, 1260))
    (folder / "web.yml").write_text("tls_server_config: {cert_file: /trial/server.pem, key_file: /trial/server.key}\n"
                                    f"basic_auth_users: {{deployments: '{_BCRYPT}'}}\n")
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    port = free_port()
    with running(folder, port, ["prometheus", "promtool"],
                 "/usr/bin/promtool tsdb create-blocks-from openmetrics /trial/series /data; "
                 "exec /usr/bin/prometheus --config.file=/trial/prometheus.yml --storage.tsdb.path=/data "
                 f"--web.config.file=/trial/web.yml --web.listen-address=127.0.0.1:{port}"):
        yield Server(f"https://127.0.0.1:{port}", folder / "ca.pem", folder / "other.pem")


@contextmanager
def alertmanager(folder: Path) -> Iterator[int]:
    """Debian's, with alertmanager.yml of the folder; its port."""
    port = free_port()
    with running(folder, port, ["prometheus-alertmanager"], "exec /usr/bin/prometheus-alertmanager --config.file=/trial/alertmanager.yml "
                 f"--storage.path=/data --cluster.listen-address= --web.listen-address=127.0.0.1:{port}"):
        yield port


@contextmanager
def running(folder: Path, port: int, packages: list[str], command: str) -> Iterator[None]:
    """The command where packages that wait in the image are unpacked, with folder as /trial; begins when it listens on loopback."""
    docker_engine.ensure()
    unpack = "".join(f"dpkg -x {package}_*.deb /; " for package in packages)
    container = _said("docker", "run", "--detach", "--network", "host", "--volume", f"{folder}:/trial", "--entrypoint", "sh",
                      image.build("host"), "-ec", f"cd /var/cache/apt/archives; {unpack}{command}")
    try:
        _wait_for(port, container)
        yield
    finally:
        _said("docker", "rm", "--force", "--volumes", container)


def _wait_for(port: int, container: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)) == 0:
                return
        if _said("docker", "inspect", "--format", "{{.State.Running}}", container) != "true":
            break
        time.sleep(0.1)
    logs = subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    raise AssertionError(f"{port}: nothing listens:\n{logs.stdout}")
