# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings what stages on hosts stand on: a running Docker Engine and the host, build and bench images."""

from __future__ import annotations

import sys

from lab import docker_engine, image
from lab.failure import LabError


def main() -> int:
    try:
        docker_engine.ensure()
        for target in ("host", "build", "bench"):
            print(image.build(target))
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
