# SPDX-License-Identifier: GPL-3.0-or-later
"""Harm to single hosts of the lab and its end: network, units, database settings, disk and clock."""

from __future__ import annotations

import subprocess
import time

from lab_hosts import asked, on

from lab import inventory
from lab.failure import LabError
from lab.paths import INVENTORY

DATABASE_UNIT = "postgresql@17-main"


def docker(*words: str) -> None:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"docker {' '.join(words)}: {done.stderr.strip()}")


def answers(host: str) -> None:
    """Wait until the database server on the host answers."""
    deadline = time.monotonic() + 90
    while not asked(host, "SELECT 1"):
        if time.monotonic() > deadline:
            raise LabError(f"{host}: PostgreSQL does not answer 90 s after the fault ended")
        time.sleep(0.5)


def unplug(host: str) -> None:
    """From the lab's network: nobody reaches it, it reaches nobody."""
    docker("network", "disconnect", "--force", inventory.read(INVENTORY)[0].name, host)


def plug(host: str) -> None:
    network, hosts = inventory.read(INVENTORY)
    address = next(one.address for one in hosts if one.name == host)
    docker("network", "connect", "--ip", address, network.name, host)


def signal_unit(host: str, unit: str, name: str) -> None:
    """To every process of the unit: KILL, STOP or CONT."""
    on(host, f"systemctl kill --signal={name} --kill-whom=all {unit}")


def setting(host: str, name: str, value: str | None) -> None:
    """A setting of the database server, or what its files say."""
    asked(host, f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = $it${value}$it$")
    asked(host, "SELECT pg_reload_conf()")


# Debian starts the server with this environment alone.
_ENVIRONMENT = "/etc/postgresql/17/main/environment"
_CLOCK = "/var/lib/postgresql/clock_offset"


def steppable_clock(host: str) -> None:
    """The server reads a wall clock that can be stepped; its monotonic clock stays true."""
    on(host, f"apt-get install -y --no-download libfaketime && cp {_ENVIRONMENT} {_ENVIRONMENT}.kept && echo +0 > {_CLOCK} && "
             f"printf '%s\\n' \"LD_PRELOAD = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'\" "
             f"\"FAKETIME_DONT_FAKE_MONOTONIC = '1'\" \"FAKETIME_NO_CACHE = '1'\" \"FAKETIME_TIMESTAMP_FILE = '{_CLOCK}'\" "
             f">> {_ENVIRONMENT} && systemctl restart {DATABASE_UNIT}")
    answers(host)


def step_clock(host: str, seconds: int) -> None:
    on(host, f"echo {seconds:+d} > {_CLOCK}")
    seen = float(asked(host, "SELECT extract(epoch FROM clock_timestamp())"))
    if abs(seen - time.time() - seconds) > 60:
        raise LabError(f"{host}: the server's clock was not stepped by {seconds} s: this case shows nothing")


def true_clock(host: str) -> None:
    on(host, f"mv {_ENVIRONMENT}.kept {_ENVIRONMENT}; rm {_CLOCK}; systemctl restart {DATABASE_UNIT}")
    answers(host)


_WAL = "/var/lib/postgresql/17/main/pg_wal"
# 64 MiB more than the log has now.
_SMALL_DISK = f"""set -e; systemctl stop {DATABASE_UNIT}; size=$(( $(du -sm {_WAL} | cut -f1) + 64 ))
mv {_WAL} {_WAL}.kept; install -d -o postgres -g postgres -m 700 {_WAL}; mount -t tmpfs -o size=${{size}}M,mode=700 tmpfs {_WAL}
cp -a {_WAL}.kept/. {_WAL}/; chown postgres:postgres {_WAL}; systemctl start {DATABASE_UNIT}"""
_DISK_BACK = f"""set -e; systemctl stop {DATABASE_UNIT}; rm -f {_WAL}/filler; rm -rf {_WAL}.kept; cp -a {_WAL} {_WAL}.kept
umount {_WAL}; rmdir {_WAL}; mv {_WAL}.kept {_WAL}; systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}"""


def small_log_disk(host: str) -> None:
    """The write-ahead log on a small disk of its own."""
    on(host, _SMALL_DISK)
    answers(host)


def fill_log_disk(host: str) -> None:
    """Somebody fills it: the server ends itself and cannot come back before there is room. What is recycled would last for a while.

    It tries to recover at once, and there a stop has been seen to wait for ever; so it is killed.
    """
    switch = "runuser -u postgres -- psql -XAtqc 'SELECT pg_switch_wal()' >/dev/null 2>&1"
    on(host, f"fallocate -l $(df --output=avail -B1 {_WAL} | tail -1) {_WAL}/filler || true;"
             f" for n in $(seq 60); do {switch} || break; sleep 0.2; done;"
             f" systemctl kill --signal=KILL {DATABASE_UNIT}; systemctl stop {DATABASE_UNIT}")


def log_disk_back(host: str) -> None:
    on(host, _DISK_BACK)
    answers(host)
