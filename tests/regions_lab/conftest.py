# SPDX-License-Identifier: GPL-3.0-or-later
"""Three regions and a recovery site, built from nothing as `make lab-regions` does, and shared by all tests here in their order."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from lab_hosts import on

from lab import credentials, docker_engine, hosts, image, inventory, playbook
from lab import next_release as another_release
from lab import regions as lab
from lab.regions import INVENTORY

VENUE, VENUE_LOG = "reg-mon-01", "/var/log/paper_venue/venue.jsonl"
# The database primary of each region, and its engines as container and port of the API.
PRIMARIES = {"us_east": "ny4-01", "eu_west": "ld5-01", "asia_east": "ty3-01"}
ENGINES = {"us_east": [("ny4-01", 8080), ("ny4-02", 8080), ("ny4-01", 8081), ("ny4-02", 8081)],
           "eu_west": [("ld5-01", 8080), ("ld5-01", 8081)],
           "asia_east": [("ty3-01", 8080), ("ty3-01", 8081)]}
STRATEGIES = {"us_east": {"mm-btc-ny4", "mm-eth-ny4"}, "eu_west": {"mm-btc-ld5"}, "asia_east": {"mm-btc-ty3"}}


def run(name: str, *, fails: bool = False, **variables: object) -> str:
    """One run over the ocean; what it said, on one line."""
    done = playbook.run(name, "-e", json.dumps(variables), inventory=INVENTORY, record=f"regions_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def api(host: str, port: int = 8080) -> dict:
    """Status of an engine, asked on its own host."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/api/v1/status', timeout=5).read().decode())"
    return json.loads(on(host, f'python3 -c "{ask}"'))


def sql(host: str, query: str) -> list[list[str]]:
    """Rows of a query in hft_db of that member."""
    out = on(host, f"runuser -u postgres -- psql -XAtq -F '|' -d hft_db -c \"{query}\"")
    return [line.split("|") for line in out.splitlines()]


def holders(region: str, host: str = "") -> dict[str, str]:
    """Engine by strategy, as the rows of the region say."""
    rows = sql(host or PRIMARIES[region], "SELECT strategy, holder FROM engine_lease")
    return {strategy: holder.partition("/")[0] for strategy, holder in rows}


def ocean(line: str) -> None:
    """A command to the ocean: cut, mend or reset, and a host."""
    ours = inventory.read(INVENTORY)[0].ocean
    assert ours is not None
    on(ours.name, f"echo {line} > /run/ocean")


def end_of_log() -> int:
    return int(on(VENUE, f"stat -c %s {VENUE_LOG}"))


def log_since(begin: int) -> str:
    return on(VENUE, f"tail -c +{begin + 1} {VENUE_LOG}")


def docker(word: str, *names: str) -> None:
    subprocess.run(["docker", word, *names], check=True, capture_output=True)


@pytest.fixture(scope="session")
def regions() -> Iterator[playbook.Run]:
    """site.yml on bare hosts, then trading in every region; returns a second site.yml, on the trading lab."""
    docker_engine.ensure()
    network, every = inventory.read(INVENTORY)
    hosts.down(network)
    for target in sorted({host.image for host in every}):
        image.build(target)
    credentials.ensure(INVENTORY)
    hosts.up(network, every)
    lab.site()
    lab.trade()
    yield lab.site()
    hosts.down(network)


@pytest.fixture(scope="session")
def next_release(regions: playbook.Run) -> Iterator[str]:
    """Source of a release that differs from the one that trades."""
    yield str(another_release.source())
    another_release.remove()
