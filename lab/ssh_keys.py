# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of the control node and of the hosts: made once, pinned in known_hosts before a host ever boots."""

from __future__ import annotations

from pathlib import Path

from lab import programs
from lab.command import run
from lab.paths import STATE

_DIR = STATE / "ssh"
_FIX = "install openssh-client"


def _key(path: Path, comment: str) -> Path:
    if not path.exists():
        programs.ensure("ssh-keygen", "openssh-client")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path), fix=_FIX)
    return path


def control() -> Path:
    """Private key of the control node; the public one lies beside it as .pub."""
    return _key(_DIR / "id_ed25519", "hft-lab-control")


def fingerprint() -> str:
    """SHA256 of the control node's public key: tells the labs of two checkouts apart."""
    return run("ssh-keygen", "-l", "-E", "sha256", "-f", f"{control()}.pub", fix=_FIX).split()[1]


def host(name: str) -> Path:
    """Private host key of a lab host."""
    return _key(_DIR / "hosts" / name, name)


def pin(addresses: dict[str, str]) -> None:
    """Merge the hosts (name → address) into known_hosts."""
    known = _DIR / "known_hosts"
    kept = {}
    if known.exists():
        kept = dict(line.split(" ", 1) for line in known.read_text().splitlines() if " " in line)
    for name, address in addresses.items():
        public = host(name).with_name(name + ".pub").read_text().split()
        kept[address] = " ".join(public[:2])
    known.write_text("".join(f"{address} {key}\n" for address, key in sorted(kept.items())))
