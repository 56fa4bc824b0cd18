# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m lab.demo: from nothing to an engine that trades on the paper venue, with the proof printed; then a release and the way back."""

from __future__ import annotations

import json
import re
import sys

from lab import machine, next_release, playbook
from lab.__main__ import up
from lab.failure import LabError
from lab.paths import BUILD, INVENTORY
from lab.progress import Progress

_ENGINE = "hft-prod-01"
_OTHER = "hft-prod-02"


def demo() -> dict:
    """Run everything; returns the object that is written to build/demo.json."""
    result = machine.head()
    progress = Progress()
    up(INVENTORY, [], progress)
    with progress.phase("site", "site.yml: hosts, database, monitoring, venue, engines as standby"):
        site = playbook.must("site")
    with progress.phase("trading", f"trading.yml: {_ENGINE} asks for the lease and trades"):
        playbook.must("trading", "-e", "trading_action=start", "-e", f"trading_engine={_ENGINE}")
    with progress.phase("validate", "validate.yml: the proof"):
        playbook.must("validate", "-e", f"validate_report={BUILD}/validate.json")
    if site.changed:
        with progress.phase("site_again", "site.yml again, on the trading lab: it must change nothing"):
            site = playbook.must("site", record="site_again", show=False)
            if site.changed:
                raise LabError(f"the second site.yml changed {site.changed} things; read build/record/site_again.jsonl")
    with progress.phase("cutover", f"cutover.yml: the next release, on {_OTHER}, while orders flow"):
        there = playbook.must("cutover", "-e", json.dumps(_cutover()))
        next_release.remove()
    with progress.phase("rollback", f"rollback.yml: and back to {_ENGINE}"):
        back = playbook.must("rollback", "-e", f"rollback_to={_ENGINE}")
    result.update(
        total_s=progress.total_s,
        phases_s=progress.phases_s,
        second_site_run={"s": site.wall_s, "changed": site.changed},
        transfers=[_moved(there), _moved(back)],
        validate=json.loads((BUILD / "validate.json").read_text()),
    )
    (BUILD / "demo.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def _cutover() -> dict:
    """Its page is in build/record; watched for a short while, as this is no market."""
    return {"engine_build_source": str(next_release.source()), "cutover_to": _OTHER, "cutover_bake_s": 5,
            "cutover_record_dir": str(BUILD / "record")}


def _moved(run: playbook.Run) -> str:
    """The playbook's own line about what happened."""
    said = " ".join(run.output.split())
    found = re.search(r"\S+ trades [^;]+ under epoch [^;]+; nobody held the right for [^(]+", said)
    return found.group().strip() if found else "not told"


def main() -> int:
    try:
        result = demo()
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    print(f"\nAn engine trades. Ready in {result['total_s']} s; site.yml again: {result['second_site_run']}.")
    for moved in result["transfers"]:
        print(f"    {moved}")
    print("Look around: `make shell HOST=hft-prod-01`; remove it all: `make lab-down`.")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
