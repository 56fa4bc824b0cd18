# SPDX-License-Identifier: GPL-3.0-or-later
"""The ocean of a lab: one process in a container of its own that leads from place to place, each answer a round trip late.

    docker exec reg-ocean sh -c 'echo cut ld5-01 > /run/ocean'        nothing passes to or from LD5 any more; mend ld5-01 ends it

A line to /run/ocean is a command of lab.relay and the host whose links it concerns: cut, mend, reset.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

if __package__:
    from lab.relay import Relay, command
else:  # in its container these two files are all there is
    from relay import Relay, command

PIPE = "/run/ocean"
# What goes between places: logins and the database.
PORTS = (22, 5432)


async def _run(links: list[str]) -> None:
    """links: TO=ADDRESS=AT=ROUND_TRIP_MS each."""
    relays: dict[str, list[Relay]] = {}
    for to, address, at, round_trip_ms in (link.split("=") for link in links):
        subprocess.run(["ip", "address", "add", f"{at}/32", "dev", "eth0"], check=True)
        for port in PORTS:
            relay = Relay((address, port), float(round_trip_ms) / 2000)
            await relay.start(at, port)
            relays.setdefault(to, []).append(relay)
    os.mkfifo(PIPE, 0o600)
    print(f"{len(links)} links", flush=True)
    # Open for writing too, so that it never ends.
    with os.fdopen(os.open(PIPE, os.O_RDWR), "r", buffering=1) as lines:
        while True:
            line = await asyncio.get_running_loop().run_in_executor(None, lines.readline)
            verb, _space, to = line.strip().partition(" ")
            for relay in relays.get(to, []):
                if verb == "reset":
                    await relay.reset()
                elif problem := command(relay, verb):
                    print(f"ERROR: {problem}", file=sys.stderr, flush=True)
            if to not in relays:
                print(f"ERROR: {line.strip()!r}: expected one of {', '.join(relays)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1:]))
