# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images (host, build, bench) once per content of the Dockerfile."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from lab import programs
from lab.command import run, succeeds
from lab.failure import LabError
from lab.paths import ROOT, STATE

_CONTEXT = ROOT / "lab"
_REGISTRY_BASE = "debian:13"
_BOOTSTRAP_BASE = "hft-lab-base:trixie"
_SUITE = "trixie"
_PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,procps,ca-certificates,sudo,openssh-server"


def tag(target: str) -> str:
    """Image of a target ("host", "build" or "bench"), named after what it is made from: a changed recipe is another image."""
    recipe = b"".join((_CONTEXT / name).read_bytes() for name in ("Dockerfile", "lab-init"))
    return f"hft-lab-{target}:{hashlib.sha256(recipe).hexdigest()[:12]}"


def exists(target: str) -> bool:
    return succeeds("docker", "image", "inspect", tag(target))


def build(target: str) -> str:
    """Build the image of a target unless it is there; returns its tag."""
    if not exists(target):
        run("docker", "build", "--build-arg", f"BASE={base()}", "--target", target, "--tag", tag(target), str(_CONTEXT),
            fix="check that the machine's apt sources can be reached", log=STATE / f"log/image-{target}.log")
    return tag(target)


def base() -> str:
    """Image that every other starts from: a registry's, or a debootstrapped tree where no registry can be reached."""
    if succeeds("docker", "image", "inspect", _BOOTSTRAP_BASE):
        return _BOOTSTRAP_BASE
    if succeeds("docker", "pull", "--quiet", _REGISTRY_BASE):
        return _REGISTRY_BASE
    return _bootstrap()


def _bootstrap() -> str:
    programs.ensure("debootstrap", "debootstrap")
    tree = STATE / "debootstrap"
    shutil.rmtree(tree, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(tree), _mirror(),
        fix="read the log; the mirror is taken from the machine's own apt sources", log=STATE / "log/debootstrap.log")
    run("sh", "-c", f"tar -C '{tree}' -c . | docker import - {_BOOTSTRAP_BASE}", fix="check the free disk space")
    shutil.rmtree(tree, ignore_errors=True)
    return _BOOTSTRAP_BASE


def _mirror() -> str:
    """The Debian archive that this machine itself installs from, read at run time."""
    for source in sorted(Path("/etc/apt").glob("sources.list.d/*.sources")):
        for line in source.read_text().splitlines():
            if line.startswith("URIs:"):
                for uri in line.split()[1:]:
                    if uri.rstrip("/").endswith("/debian"):
                        return uri
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt").glob("sources.list.d/*.list"))]
    for source in lists:
        for line in source.read_text().splitlines() if source.exists() else []:
            words = [word for word in line.split() if not word.startswith("[")]
            if words[:1] == ["deb"] and words[1].rstrip("/").endswith("/debian"):
                return words[1]
    raise LabError("no Debian archive (…/debian) in /etc/apt; add one, or give the Docker Engine access to a registry")
