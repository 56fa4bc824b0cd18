# SPDX-License-Identifier: GPL-3.0-or-later
"""The image with the tool chain, and commands in it: the engine's source at /source, read-only, a build tree at /build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab import docker_engine, image
from lab.failure import LabError

ENGINE = Path(__file__).resolve().parents[2] / "engine"


def ready(name: str = "build") -> str:
    """Tag of the image, which is built where it is not there; the program ends where that cannot be."""
    try:
        docker_engine.ensure()
        return image.build(name)
    except LabError as failure:
        raise SystemExit(f"ERROR: {failure}") from failure


def inside(tag: str, tree: Path, argv: Sequence[str], *options: str) -> list[str]:
    """The command that runs argv in there. options: more of docker run, such as volumes."""
    # ThreadSanitizer turns off address randomisation where it must, and LeakSanitizer traces the process: both are
    # refused by Docker's default profile.
    return ["docker", "run", "--rm", "--init", "--entrypoint", argv[0], "--security-opt", "seccomp=unconfined", "--cap-add", "SYS_PTRACE",
            "--volume", f"{ENGINE}:/source:ro", "--volume", f"{tree}:/build", *options, tag, *argv[1:]]
