# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m lab.regions: three regions and a recovery site, with an ocean between them; each region trades its own strategies."""

from __future__ import annotations

import json
import sys

from lab import playbook
from lab.__main__ import up
from lab.failure import LabError
from lab.paths import ROOT
from lab.progress import Progress

INVENTORY = ROOT / "inventories" / "lab_regions"
# The engine of each region that trades first.
ENGINES = {"us_east": "ny4-01", "eu_west": "ld5-01", "asia_east": "ty3-01"}
# A second engine on a host is a name of its own in the inventory: the host is made fit once, and its figures are a job of the inventory's.
_ONCE = {"site_hosts_managed": "all:!build:!instance", "monitoring_hosts_engine": "engine:!instance"}


def site() -> playbook.Run:
    return playbook.must("site", "-e", json.dumps(_ONCE), inventory=INVENTORY, record="regions_site")


def trade() -> None:
    """Every region trades at its first engine."""
    for region, engine in ENGINES.items():
        wanted = {"trading_action": "start", "trading_engine": engine, "trading_hosts": f"region_{region}:&engine"}
        playbook.must("trading", "-e", json.dumps(wanted), inventory=INVENTORY, record=f"regions_trading_{region}")


def main() -> int:
    progress = Progress()
    try:
        up(INVENTORY, [], progress)
        with progress.phase("site", "site.yml: all regions and the recovery site in one run"):
            site()
        with progress.phase("trading", f"trading.yml: {', '.join(ENGINES.values())} ask for the leases of their regions, and trade"):
            trade()
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    print(f"\nThree regions trade. Ready in {progress.total_s} s; what to do with them: docs/inventory.md.")
    print("Remove it all: `make lab-regions-down`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
