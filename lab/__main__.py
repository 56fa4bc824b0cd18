# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m lab up|down|shell HOST|ssh-config: the lab's hosts by hand."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lab import credentials, docker_engine, hosts, image, inventory, ssh_keys
from lab.failure import LabError
from lab.paths import INVENTORY, STATE
from lab.progress import Progress


def up(where: Path, names: list[str], progress: Progress) -> None:
    """Docker Engine, images, credentials and hosts; names: only these hosts, all when empty."""
    with progress.phase("docker", "Docker Engine"):
        docker_engine.ensure()
    network, known = inventory.read(where)
    wanted = [host for host in known if not names or host.name in names]
    with progress.phase("image", "host images"):
        for target in sorted({host.image for host in wanted}):
            image.build(target)
    with progress.phase("hosts", f"{len(wanted)} hosts on {network.subnet}: {' '.join(host.name for host in wanted)}"):
        credentials.ensure(where)
        hosts.up(network, wanted)


def shell(where: Path, name: str) -> None:
    _, known = inventory.read(where)
    address = {host.name: host.address for host in known}.get(name)
    if address is None:
        raise LabError(f"HOST={name}: not in {where}/hosts.yml; one of {', '.join(host.name for host in known)}")
    os.execvp("ssh", ["ssh", "-i", str(ssh_keys.control()), "-o", f"UserKnownHostsFile={STATE}/ssh/known_hosts",
                      "-o", "IdentitiesOnly=yes", f"deploy@{address}"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "shell"))
    parser.add_argument("names", nargs="*", help="hosts; all when left out")
    parser.add_argument("--inventory", type=Path, default=INVENTORY)
    args = parser.parse_args()
    try:
        if args.verb == "up":
            up(args.inventory, args.names, Progress())
        elif args.verb == "down":
            if docker_engine.answers():
                hosts.down(inventory.read(args.inventory)[0])
        else:
            shell(args.inventory, args.names[0] if args.names else "")
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
