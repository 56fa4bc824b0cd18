# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m lab.vm up|down|ssh [NAME]: a virtual host by hand; its inventory is .lab/vm/NAME/inventory.yml."""

from __future__ import annotations

import argparse
import os
import sys

from lab.failure import LabError
from lab.progress import Progress
from lab.vm import disk
from lab.vm.guest import Guest


def up(name: str, loader: str, progress: Progress) -> None:
    with progress.phase("disk", f"disk of the virtual host, booted by {loader}"):
        folder = disk.build(loader)
    guest = Guest(name, folder)
    with progress.phase("boot", f"virtual host {name}"):
        guest.start()
    print(f"inventory {guest.inventory}, process {guest.pid}, {' '.join(guest.ssh())}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.vm", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "ssh"))
    parser.add_argument("name", nargs="?", default="hand", help="of the guest, so that several can run; default hand")
    parser.add_argument("--loader", default="grub", choices=disk.LOADERS, help="boot loader of a guest that is started")
    args = parser.parse_args()
    try:
        guest = Guest(args.name, disk.path())
        if args.verb == "up":
            up(args.name, args.loader, Progress())
        elif args.verb == "down":
            guest.stop()
        else:
            if guest.pid is None:
                raise LabError(f"{args.name}: does not run; start it with `python -m lab.vm up {args.name}`")
            os.execvp("ssh", guest.ssh())
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
