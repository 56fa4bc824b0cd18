# SPDX-License-Identifier: GPL-3.0-or-later
"""Two bare containers of Debian 12, shared by the tests of this folder in their order."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lab import hosts, ssh_keys
from lab.inventory import Host, Network
from lab.paths import BUILD, STATE

_NETWORK = Network("hft_ops_debian_12", "172.31.249.0/24")
_HOSTS = [Host("hft-debian-12-a", "172.31.249.11", "host-debian-12"), Host("hft-debian-12-b", "172.31.249.12", "host-debian-12")]


@pytest.fixture(scope="session")
def inventory() -> Iterator[Path]:
    hosts.up(_NETWORK, _HOSTS)
    access = {"ansible_user": "deploy", "ansible_become": True, "ansible_ssh_private_key_file": str(ssh_keys.control()),
              "ansible_ssh_common_args": f"-o UserKnownHostsFile={STATE}/ssh/known_hosts -o IdentitiesOnly=yes"}
    file = BUILD / "hosts" / "inventory.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"all": {"vars": access, "hosts": {host.name: {"ansible_host": host.address} for host in _HOSTS}}}))
    yield file
    hosts.down(_NETWORK)


@pytest.fixture(scope="session")
def shell(inventory: Path) -> Callable[[str, str], str]:
    """shell(host, script): what a shell script says that root of the host runs."""

    def run(host: str, script: str) -> str:
        return subprocess.run(["docker", "exec", host, "sh", "-c", script], capture_output=True, text=True, check=True).stdout

    return run
