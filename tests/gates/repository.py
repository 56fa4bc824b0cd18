# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository as the gates see it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """Files that are in git, or will be (new and not ignored), relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def roles() -> list[str]:
    return sorted(folder.name for folder in (ROOT / "roles").iterdir() if folder.is_dir())


def modules() -> list[str]:
    return sorted(source.stem for source in (ROOT / "plugins" / "modules").glob("*.py") if not source.stem.startswith("_"))


def playbooks() -> list[str]:
    return sorted(source.stem for source in (ROOT / "playbooks").glob("*.yml"))


def load(path: Path) -> Any:
    """YAML of a file; Ansible's own tags (!vault, !unsafe) are not used in this repository."""
    return yaml.safe_load(path.read_text())


def tasks_of(source: Path) -> list[dict[str, Any]]:
    """Every task of a tasks or handlers file, those inside blocks too."""
    found: list[dict[str, Any]] = []
    waiting = list(load(source) or [])
    while waiting:
        task = waiting.pop(0)
        found.append(task)
        for part in ("block", "rescue", "always"):
            waiting.extend(task.get(part, []))
    return found


def playbook_files() -> list[Path]:
    """Tasks, handlers and playbooks: every file in which a task can stand, molecule's included."""
    patterns = ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/*.yml", "playbooks/tasks/*.yml", "molecule/*/*.yml")
    return sorted(source for pattern in patterns for source in ROOT.glob(pattern))
