# SPDX-License-Identifier: GPL-3.0-or-later
"""The end-to-end scenario: one lab, built from nothing at the start, shared by all files in their order."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from lab_hosts import eventually
from venue_truth import Truth

from lab import credentials, docker_engine, hosts, image, inventory, playbook
from lab import next_release as another_release
from lab.paths import BUILD, INVENTORY, ROOT

_VENUE, _VENUE_LOG = "hft-mon-01", "/var/log/paper_venue/venue.jsonl"


def on(host: str, script: str, *, check: bool = True) -> str:
    """Run a shell script as root on a lab host, from the machine's side: what a fault or a hand edit would do."""
    done = subprocess.run(["docker", "exec", host, "/bin/bash", "-c", script], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{host}: {script!r} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def api(host: str, path: str) -> dict:
    """GET of an engine's control API, on the engine's own loopback."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/api/v1/{path}', timeout=5).read().decode())"
    return json.loads(on(host, f'python3 -c "{ask}"'))


def sql(query: str, host: str = "hft-db-01") -> list[list[str]]:
    """Rows of a query in hft_db, asked on the host itself as postgres."""
    out = on(host, f"runuser -u postgres -- psql -XAtq -F '|' -d hft_db -c \"{query}\"")
    return [line.split("|") for line in out.splitlines()]


def venue_log() -> list[dict]:
    """The venue's append-only log: the truth about orders."""
    out = on(_VENUE, f"cat {_VENUE_LOG}")
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


@contextmanager
def truth_of(database: str | None = "hft-db-01", *, stale_refused: bool = False) -> Iterator[Truth]:
    """The venue's log of the body: nobody traded twice, and every order of it stands once in the database of that host.

    database: None where it may lack what a lost host had not written yet.
    stale_refused: orders under an ended epoch may have come to the venue, which refused them.
    """
    log = Truth(int(on(_VENUE, f"stat -c %s {_VENUE_LOG}")))
    yield log
    log.read(on(_VENUE, f"tail -c +{log.begin + 1} {_VENUE_LOG}"))
    faults = log.faults()
    if stale_refused:
        faults["stale_refused"] = 0
    assert faults == {"overlap": 0, "stale_refused": 0, "duplicate": 0}
    assert log.rate(), "no order at the venue: nothing is proven"
    if database is None:
        return

    def lost() -> int:
        rows = sql(f"SELECT strategy, epoch, seq FROM orders WHERE epoch >= {log.first_epoch()}", database)  # noqa: S608 - a number of ours
        return log.against(tuple(row) for row in rows)["lost"]

    eventually("every order is in the database once", lambda: lost() == 0, 90)


def killed_once_armed(transfer_id: str, timeout_s: float, *argv: str) -> None:
    """Run a command on the control node, and end it without a word as soon as the taker of its transfer is armed."""
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        eventually("the taker is armed", lambda: [transfer_id] in sql("SELECT transfer_id FROM engine_arm"), timeout_s)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def virgin_lab() -> None:
    """Bare hosts, whatever was there before."""
    docker_engine.ensure()
    network, every = inventory.read(INVENTORY)
    hosts.down(network)
    for target in sorted({host.image for host in every}):
        image.build(target)
    credentials.ensure()
    hosts.up(network, every)


@pytest.fixture(scope="session")
def check_run(virgin_lab: None) -> playbook.Run:
    """site.yml in check mode on the bare hosts."""
    return playbook.run("site", "--check", record="site_check", show=False)


@pytest.fixture(scope="session")
def demo(check_run: playbook.Run) -> dict:
    """`make demo` as a user types it, on those bare hosts; returns build/demo.json."""
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    (BUILD / "log" / "make_demo.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, f"make demo ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-1000:]}"
    return json.loads((BUILD / "demo.json").read_text())


@pytest.fixture(scope="session")
def next_release(demo: dict) -> Iterator[str]:
    """Source of a release that differs from the one that trades."""
    yield str(another_release.source())
    another_release.remove()
