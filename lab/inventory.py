# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the hosts of a lab from the inventory that Ansible itself uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.failure import LabError


@dataclass(frozen=True)
class Host:
    """name: container and host name; address: its IPv4 on the lab network; image: target of the Dockerfile."""

    name: str
    address: str
    image: str


@dataclass(frozen=True)
class Network:
    name: str
    subnet: str


def read(inventory: Path) -> tuple[Network, list[Host]]:
    """Network and hosts of inventory/hosts.yml."""
    source = inventory / "hosts.yml"
    try:
        tree = yaml.safe_load(source.read_text())["all"]
        network = Network(tree["vars"]["lab_network_name"], tree["vars"]["lab_network_subnet"])
        hosts = [Host(name, keys["ansible_host"], keys.get("lab_image", "host")) for name, keys in tree["hosts"].items()]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as wrong:
        raise LabError(f"{source}: expected all.vars.lab_network_* and all.hosts.*.ansible_host, found {wrong!r}; "
                       "compare with the file in git") from wrong
    return network, hosts
