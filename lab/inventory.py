# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the hosts of a lab from the inventory that Ansible itself uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lab.failure import LabError


@dataclass(frozen=True)
class Host:
    """A container of this name: its IPv4 on the lab network, the target of the Dockerfile.

    beyond: where Ansible reaches it, if an ocean lies between; routes: hosts that it reaches elsewhere than Docker's names say, with
    the address.
    """

    name: str
    address: str
    image: str
    beyond: str = ""
    routes: dict[str, str] = field(default_factory=dict)

    @property
    def reached_at(self) -> str:
        return self.beyond or self.address


@dataclass(frozen=True)
class Link:
    """A way to a host (`to` names it, `address` is its own) whose every answer comes a round trip later."""

    to: str
    address: str
    at: str
    round_trip_ms: float


@dataclass(frozen=True)
class Ocean:
    """The container that delays what goes between places; links: what it leads."""

    name: str
    address: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Network:
    name: str
    subnet: str
    ocean: Ocean | None = None


def read(inventory: Path) -> tuple[Network, list[Host]]:
    """Network and hosts of inventory/hosts.yml; what is only another instance on a host is none."""
    source = inventory / "hosts.yml"
    try:
        tree = yaml.safe_load(source.read_text())["all"]
        named = {name: keys for name, keys in tree["hosts"].items() if "lab_instance_of" not in keys}
        addresses = {name: keys.get("lab_address", keys["ansible_host"]) for name, keys in named.items()}
        given = tree["vars"].get("lab_ocean")
        network = Network(tree["vars"]["lab_network_name"], tree["vars"]["lab_network_subnet"], _ocean(given, addresses) if given else None)
        hosts = [Host(name, addresses[name], keys.get("lab_image", "host"), keys["ansible_host"], _routes(given, name))
                 for name, keys in named.items()]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as wrong:
        raise LabError(f"{source}: expected all.vars.lab_network_* and all.hosts.*.ansible_host, found {wrong!r}; "
                       "compare with the file in git") from wrong
    return network, hosts


def _ocean(given: dict, addresses: dict[str, str]) -> Ocean:
    links = (Link(link["to"], addresses[link["to"]], link["at"], float(link["round_trip_ms"])) for link in given["links"])
    return Ocean(given["name"], given["address"], tuple(links))


def _routes(given: dict | None, name: str) -> dict[str, str]:
    return {link["to"]: link["at"] for link in (given or {"links": []})["links"] if name in link["of"]}
