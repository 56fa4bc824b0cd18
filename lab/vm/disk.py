# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the disk of the virtual host once per content of its recipe and boot loader, and seals it by one boot."""

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
# What only a running host can make: its boot menu, with its own tools.
_SEALS = {
    "grub": "update-grub && sync",
    "systemd-boot": """
set -eu
bootctl --no-variables --make-entry-directory=yes install
for image in /boot/vmlinuz-*; do kernel-install add "${image#/boot/vmlinuz-}" "$image"; done
cd /boot/efi
rm -r first loader/entries/first.conf
echo "default $(cat /etc/machine-id)-$(uname -r).conf" > loader/loader.conf
sync
""",
}
LOADERS = tuple(_SEALS)


def path(loader: str = "grub") -> Path:
    """Folder of the disk (disk.raw), the stock kernel (vmlinuz) and the firmware where it is no BIOS, named after what they are made of.

    loader: the boot loader, one of LOADERS.
    """
    content = hashlib.sha256()
    for source in sorted(file for file in _RECIPE.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")):
        content.update(f"{source.relative_to(_RECIPE)}\n".encode() + source.read_bytes())
    for key in _keys():
        content.update(key.read_bytes())
    return DISKS / loader / content.hexdigest()[:12]


def build(loader: str = "grub") -> Path:
    """Build the disk unless it is there; returns its folder. Disks of older recipes are removed."""
    target = path(loader)
    if not target.exists():
        shutil.rmtree(target.parent, ignore_errors=True)
        scratch = target.with_suffix(".part")
        scratch.mkdir(parents=True)
        _fill(scratch, loader)
        _seal(scratch, loader)
        scratch.rename(target)
    return target


def _keys() -> list[Path]:
    return [ssh_keys.host(NAME), ssh_keys.control().with_suffix(".pub")]


def _fill(folder: Path, loader: str) -> None:
    docker_engine.ensure()
    tag = f"hft-lab-vm:{loader}"
    run("docker", "build", "--build-arg", f"BASE={image.base()}", "--target", loader, "--tag", tag, str(_RECIPE),
        fix=_FIX, log=STATE / "log/image-vm.log")
    host_key, authorized_key = _keys()
    run("docker", "run", "--rm", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
        "--volume", f"{folder}:/out", "--volume", f"{host_key}:/keys/host:ro", "--volume", f"{authorized_key}:/keys/authorized:ro",
        tag, "make-disk", NAME, "/keys/host", "/keys/authorized", fix=_FIX, log=STATE / "log/disk-vm.log")


def _seal(folder: Path, loader: str) -> None:
    with Guest("seal", folder, overlay=False) as guest:
        guest.shell(_SEALS[loader])
