# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the few programs that the lab needs on the machine itself, from its own distribution's packages."""

from __future__ import annotations

import functools
import os
import shutil

from lab.command import run
from lab.failure import LabError
from lab.paths import STATE


@functools.cache
def _update_lists(fix: str) -> None:
    run("apt-get", "update", fix=fix, log=STATE / "log/apt-update.log")


def ensure(program: str, *packages: str) -> None:
    """Install packages (Debian names) unless program is on PATH."""
    if shutil.which(program):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(f"{program}: not on this machine, and it can be installed only as root of a Debian family system; "
                       f"install {' '.join(packages)}, then run again")
    fix = "check the apt sources of this machine, or install it yourself"
    _update_lists(fix)
    run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends", *packages,
        fix=fix, log=STATE / f"log/apt-{program}.log")
