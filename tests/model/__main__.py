# SPDX-License-Identifier: GPL-3.0-or-later
"""Explores one configuration, or all, and prints how far it came and the way to what is broken: `tests/model [--long] [NAME]`."""

from __future__ import annotations

import argparse
import sys

from configurations import BROKEN, CORRECT
from protocol.explore import explore


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/model", description=__doc__)
    parser.add_argument("name", nargs="?", help="part of the name of a configuration; all when left out")
    parser.add_argument("--long", action="store_true", help="also those that are too long for every change")
    asked = parser.parse_args()
    chosen = [one for one in CORRECT + BROKEN if (asked.name or "") in one.name and (asked.long or not one.long)]
    if not chosen:
        print(f"ERROR: {asked.name}: no configuration has this in its name; there are: "
              + ", ".join(one.name for one in CORRECT + BROKEN), file=sys.stderr)
        return 2
    for one in chosen:
        print(f"==> {one.name}: {one.bounds}", flush=True)
        print(explore(one.rules, one.bounds, one.rows_too), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
