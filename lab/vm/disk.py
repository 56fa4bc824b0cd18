# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the disk of the virtual host once per content of its recipe, and seals it by one boot."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from lab import docker_engine, image, ssh_keys
from lab.command import run
from lab.paths import ROOT, STATE
from lab.vm.guest import NAME, Guest
from lab.vm.paths import DISKS

_RECIPE = ROOT / "lab" / "vm"
_FIX = "read the log; the archive is taken from the machine's own apt sources"
# What only a running host can make: its boot menu, with its own tool.
_SEAL = "update-grub && sync"


def path() -> Path:
    """Folder of the disk (disk.raw) and the stock kernel (vmlinuz), named after what they are made from."""
    content = hashlib.sha256()
    for source in sorted(file for file in _RECIPE.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")):
        content.update(f"{source.relative_to(_RECIPE)}\n".encode() + source.read_bytes())
    for key in _keys():
        content.update(key.read_bytes())
    return DISKS / content.hexdigest()[:12]


def build() -> Path:
    """Build the disk unless it is there; returns its folder. Disks of older recipes are removed."""
    target = path()
    if not target.exists():
        for old in DISKS.glob("*"):
            shutil.rmtree(old)
        scratch = DISKS / f"{target.name}.part"
        scratch.mkdir(parents=True)
        _fill(scratch)
        _seal(scratch)
        scratch.rename(target)
    return target


def _keys() -> list[Path]:
    return [ssh_keys.host(NAME), ssh_keys.control().with_suffix(".pub")]


def _fill(folder: Path) -> None:
    docker_engine.ensure()
    tag = "hft-lab-vm:latest"
    run("docker", "build", "--build-arg", f"BASE={image.base()}", "--tag", tag, str(_RECIPE), fix=_FIX, log=STATE / "log/image-vm.log")
    host_key, authorized_key = _keys()
    run("docker", "run", "--rm", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
        "--volume", f"{folder}:/out", "--volume", f"{host_key}:/keys/host:ro", "--volume", f"{authorized_key}:/keys/authorized:ro",
        tag, "make-disk", NAME, "/keys/host", "/keys/authorized", fix=_FIX, log=STATE / "log/disk-vm.log")


def _seal(folder: Path) -> None:
    with Guest("seal", folder, overlay=False) as guest:
        guest.shell(_SEAL)
