# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines of the lab that can be stopped at a named point of a transfer (phase_stop.cpp)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab_hosts import on

from lab.failure import LabError

GIVER_POINTS = ("rehearsed", "drain", "hand_over", "handed_over")
TAKER_POINTS = ("claim", "claimed", "fence", "fenced", "first_order")
# Of whoever trades: between the check of its right and the frame.
ORDER = "order"
UNIT = "hft_system"

_SOURCE = Path(__file__).with_suffix(".cpp")
_BUILDER = "hft-build-01"
_STATE = "/var/lib/phase_stop"
_LIBRARY = "/usr/local/lib/phase_stop.so"
_DROP_IN = f"/etc/systemd/system/{UNIT}.service.d/phase_stop.conf"
# A stopped engine sends no sign of life; the watchdog would end what a case wants to see continue.
_UNIT = f"""[Service]
Environment=LD_PRELOAD={_LIBRARY}
ReadWritePaths={_STATE}
WatchdogSec=0
"""


def install(hosts: Sequence[str]) -> None:
    """Compile it on the lab, and have the engines load it from their next start on."""
    on(_BUILDER, f"g++ -x c++ -std=c++20 -O2 -Wall -Wextra -Werror -shared -fPIC -o {_LIBRARY} - -ldl <<'END'\n{_SOURCE.read_text()}\nEND")
    library = subprocess.run(["docker", "exec", _BUILDER, "cat", _LIBRARY], capture_output=True, check=True).stdout
    on(_BUILDER, f"rm {_LIBRARY}")
    for host in hosts:
        subprocess.run(["docker", "exec", "-i", host, "sh", "-c", f"cat > {_LIBRARY}"], input=library, check=True)
        on(host, f"install -d -m 777 {_STATE}; mkdir -p $(dirname {_DROP_IN}); printf '%s' '{_UNIT}' > {_DROP_IN}; systemctl daemon-reload")


def remove(hosts: Sequence[str]) -> None:
    for host in hosts:
        on(host, f"rm -rf {_STATE} {_LIBRARY} {_DROP_IN}; rmdir --ignore-fail-on-non-empty $(dirname {_DROP_IN}); systemctl daemon-reload")


def stop_at(host: str, point: str) -> None:
    """The engine of the host stops when it reaches the point next."""
    on(host, f"rm -f {_STATE}/log; printf %s {point} > {_STATE}/at; chmod 666 {_STATE}/at")


def forget(host: str) -> None:
    on(host, f"rm -f {_STATE}/at {_STATE}/deaf")


def deafen(host: str) -> None:
    """The engine of the host hears no notification of the database."""
    on(host, f"touch {_STATE}/deaf")


def told(host: str) -> list[tuple[str, str, int]]:
    """What the engine of the host wrote down: what, point, CLOCK_BOOTTIME in ns."""
    lines = (line.split() for line in on(host, f"cat {_STATE}/log 2>/dev/null || true").splitlines())
    return [(what, point, int(at)) for what, point, at in lines]


def stands(host: str, wait_s: float) -> bool:
    """The engine stopped at its point, within the time."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if any(what == "stopped" for what, _point, _at in told(host)):
            return True
        time.sleep(0.1)
    return False


def go_on(host: str) -> None:
    """Continue it, when it is still there."""
    on(host, f"systemctl kill --signal=CONT {UNIT} || true")


def must_be_loaded(host: str) -> None:
    if _LIBRARY not in on(host, f"cat /proc/$(systemctl show -p MainPID --value {UNIT})/maps"):
        raise LabError(f"{host}: the engine runs without {_LIBRARY}; no case would reach its point")
