# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the images (host, build, bench) once per content of the Dockerfile."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import programs
from lab.command import run, succeeds
from lab.failure import LabError
from lab.paths import ROOT, STATE

_CONTEXT = ROOT / "lab"


@dataclass(frozen=True)
class _Release:
    """A release of Debian: its suite in the archive, its image in a registry, and what is built on it."""

    suite: str
    registry: str
    dockerfile: str


_DEBIAN_13 = _Release("trixie", "debian:13", "Dockerfile")
# The stages of other Dockerfiles than the first one.
_OF_ANOTHER_RELEASE = {"host-debian-12": _Release("bookworm", "debian:12", "Dockerfile.debian-12")}
_PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,procps,ca-certificates,sudo,openssh-server"


def tag(target: str) -> str:
    """Image of a target ("host", "build", "bench", "host-debian-12"), named after its recipe: a changed one is another image."""
    recipe = b"".join((_CONTEXT / name).read_bytes() for name in (_release(target).dockerfile, "lab-init"))
    return f"hft-lab-{target}:{hashlib.sha256(recipe).hexdigest()[:12]}"


def exists(target: str) -> bool:
    return succeeds("docker", "image", "inspect", tag(target))


def build(target: str) -> str:
    """Build the image of a target unless it is there; returns its tag."""
    if not exists(target):
        release = _release(target)
        run("docker", "build", "--file", str(_CONTEXT / release.dockerfile), "--build-arg", f"BASE={base(release)}", "--target", target,
            "--tag", tag(target), str(_CONTEXT),
            fix="check that the machine's apt sources can be reached", log=STATE / f"log/image-{target}.log")
    return tag(target)


def _release(target: str) -> _Release:
    return _OF_ANOTHER_RELEASE.get(target, _DEBIAN_13)


def base(release: _Release = _DEBIAN_13) -> str:
    """Image that every other of the release starts from: a registry's, or a debootstrapped tree where no registry can be reached."""
    bootstrapped = f"hft-lab-base:{release.suite}"
    if succeeds("docker", "image", "inspect", bootstrapped):
        return bootstrapped
    if succeeds("docker", "pull", "--quiet", release.registry):
        return release.registry
    _bootstrap(release.suite, bootstrapped)
    return bootstrapped


def _bootstrap(suite: str, name: str) -> None:
    programs.ensure("debootstrap", "debootstrap")
    tree = STATE / "debootstrap"
    shutil.rmtree(tree, ignore_errors=True)
    run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, str(tree), _mirror(),
        fix="read the log; the mirror is taken from the machine's own apt sources", log=STATE / "log/debootstrap.log")
    run("sh", "-c", f"tar -C '{tree}' -c . | docker import - {name}", fix="check the free disk space")
    shutil.rmtree(tree, ignore_errors=True)


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
