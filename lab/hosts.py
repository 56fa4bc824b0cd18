# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates, starts and removes lab hosts. Idempotent: what runs already is left alone."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import time

from lab import image, ssh_keys
from lab.command import run, succeeds
from lab.failure import LabError
from lab.inventory import Host, Network, Ocean
from lab.paths import ROOT

_LABEL = "hft.ops.lab"
_KEY_LABEL = "hft.ops.lab.key"
_BOOT_TIMEOUT_S = 60
# SYS_RESOURCE is left out on purpose: some machines refuse it, and nothing here needs it.
# What a compiler made of the same source before; kept as the images are. Without it every build host compiles the engine from nothing.
_COMPILED = "hft_ops_lab_compiled"
_CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_NICE", "IPC_LOCK", "SYS_PTRACE", "AUDIT_WRITE")
_FIX = "run `make lab-down`, then `make demo`"


def up(network: Network, hosts: list[Host]) -> None:
    """Bring all hosts to the point where each answers on SSH."""
    _network_up(network)
    ssh_keys.control()
    ssh_keys.pin({host.name: host.address for host in hosts})
    ssh_keys.pin({host.name: host.reached_at for host in hosts})
    if network.ocean:
        _ocean_up(network, network.ocean)
    for host in hosts:
        _host_up(network, host)
    for host in hosts:
        _wait_for_ssh(host)


def down(network: Network) -> None:
    """Remove every host on the network, its disks and the network; keys, credentials, images and what was compiled stay."""
    names = run("docker", "ps", "--all", "--quiet", "--filter", f"label={_LABEL}={network.name}", fix="start the Docker Engine").split()
    if names:
        run("docker", "rm", "--force", "--volumes", *names, fix="run it again")
    if succeeds("docker", "network", "inspect", network.name):
        run("docker", "network", "rm", network.name, fix="run it again")


def _network_up(network: Network) -> None:
    if not succeeds("docker", "network", "inspect", network.name):
        run("docker", "network", "create", "--driver", "bridge", "--subnet", network.subnet, network.name,
            fix=f"if {network.subnet} is in use here, choose another subnet and addresses in the inventory's hosts.yml")


def _host_up(network: Network, host: Host) -> None:
    if not succeeds("docker", "container", "inspect", host.name):
        _create(network, host)
    state = json.loads(run("docker", "inspect", host.name, fix=_FIX))[0]
    if state["Config"]["Labels"].get(_LABEL) != network.name:
        raise LabError(f"container {host.name}: exists and is not of lab {network.name}; remove or rename it, then run again")
    if state["Config"]["Labels"].get(_KEY_LABEL) != ssh_keys.fingerprint():
        raise LabError(f"container {host.name}: made from another checkout, whose keys and passwords it has; {_FIX}")
    if state["Config"]["Image"] != image.tag(host.image):
        raise LabError(f"container {host.name}: made from {state['Config']['Image']}, the recipe is now {image.tag(host.image)}; {_FIX}")
    if state["State"]["Paused"]:
        run("docker", "unpause", host.name, fix=_FIX)
    elif not state["State"]["Running"]:
        run("docker", "start", host.name, fix=_FIX)


def _create(network: Network, host: Host) -> None:
    capabilities = [f"--cap-add={name}" for name in _CAPABILITIES]
    volumes = ["--volume", f"{_COMPILED}:/var/cache/hft_build/ccache"] if host.image == "build" else []
    run("docker", "create", "--name", host.name, "--hostname", host.name, "--label", f"{_LABEL}={network.name}",
        "--label", f"{_KEY_LABEL}={ssh_keys.fingerprint()}",
        "--network", network.name, "--ip", host.address, "--tmpfs", "/run:exec,mode=755", "--tmpfs", "/run/lock",
        "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--shm-size", "256m",
        *(f"--add-host={name}:{address}" for name, address in host.routes.items()),
        *capabilities, *volumes, image.build(host.image), fix=_FIX)
    run("docker", "cp", "-", f"{host.name}:/", stdin=_identity(host), fix=_FIX)


def _ocean_up(network: Network, ocean: Ocean) -> None:
    if succeeds("docker", "container", "inspect", ocean.name):
        if json.loads(run("docker", "inspect", ocean.name, fix=_FIX))[0]["State"]["Running"]:
            return
        run("docker", "rm", "--force", ocean.name, fix=_FIX)  # it holds nothing but the connections that went through it
    links = [f"{link.to}={link.address}={link.at}={link.round_trip_ms}" for link in ocean.links]
    run("docker", "create", "--name", ocean.name, "--label", f"{_LABEL}={network.name}", "--network", network.name, "--ip", ocean.address,
        "--cap-add", "NET_ADMIN", "--entrypoint", "python3", image.build("host"), "/opt/ocean.py", *links, fix=_FIX)
    for name in ("ocean.py", "relay.py"):
        run("docker", "cp", str(ROOT / "lab" / name), f"{ocean.name}:/opt/{name}", fix=_FIX)
    run("docker", "start", ocean.name, fix=_FIX)


def _identity(host: Host) -> bytes:
    """A tar of the files that make this host itself: its host key and who may log in."""
    private = ssh_keys.host(host.name)
    files = (
        ("etc/ssh/ssh_host_ed25519_key", private.read_bytes(), 0o600, 0),
        ("etc/ssh/ssh_host_ed25519_key.pub", private.with_name(host.name + ".pub").read_bytes(), 0o644, 0),
        ("home/deploy/.ssh/authorized_keys", ssh_keys.control().with_suffix(".pub").read_bytes(), 0o600, 1000),
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo("home/deploy/.ssh")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, 1000, 1000
        tar.addfile(folder)
        for name, content, mode, owner in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(content), mode, owner, owner
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _wait_for_ssh(host: Host) -> None:
    deadline = time.monotonic() + _BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host.reached_at, 22), timeout=2) as banner:
                if banner.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.3)
    raise LabError(f"{host.name} ({host.address}): no SSH within {_BOOT_TIMEOUT_S} s; read `docker logs {host.name}`, then {_FIX}")
