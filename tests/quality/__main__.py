# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs tools in an environment of their own: types of the plugins, the archive as Galaxy imports it, the execution environment,
the layout of the engine's code, and whether something that is pinned here is known to be vulnerable.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
_OUT = _ROOT / "build" / "quality"
_COLLECTION = "ansible_collections.hft.ops.plugins"
# A collection without a public home has no address; Galaxy wants one, and the rest of what it says is looked at all the same.
_NO_HOME = "repository: https://example.com/hft.ops\n"


class Untried(Exception):
    """What a check needs is out of reach here."""


def main() -> int:
    steps = [_step(check) for check in (_types, _importer, _execution_environment, _layout, _vulnerabilities)]
    if "STAGE_JUNIT" in os.environ:
        junit.write("quality", steps, Path(os.environ["STAGE_JUNIT"]))
    failed = [step.name for step in steps if step.failure]
    if failed:
        print(f"ERROR: {', '.join(failed)}: see above", file=sys.stderr)
    return int(bool(failed))


def _step(check: Callable[[], list[str]]) -> junit.Step:
    name, begin, complaints, skipped = check.__name__.strip("_"), time.monotonic(), [], None
    try:
        complaints = check()
    except Untried as why:
        skipped = str(why)
    print(f"==> {name}: {skipped or '; '.join(complaints) or 'ok'}", flush=True)
    return junit.Step(name, time.monotonic() - begin, "; ".join(complaints) or None, skipped)


def _types() -> list[str]:
    done = _run("mypy", "--config-file", str(_ROOT / "pyproject.toml"), "--cache-dir", str(_OUT / "mypy"), "-p", _COLLECTION,
                cwd=_ROOT / "build" / "collections")
    return [] if done.returncode == 0 else done.stdout.splitlines()


def _importer() -> list[str]:
    """Everything but ansible-lint, which is a stage of its own."""
    archive = _archive(_OUT / "importer")
    done = _run(str(_BIN / "python"), "-m", "galaxy_importer.main", archive.name, cwd=archive.parent,
                GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false")
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("ERROR", "WARNING"))]
    return said if done.returncode == 0 else [*said, f"ended with {done.returncode}"]


def _execution_environment() -> list[str]:
    """Its build context, with what the collection itself asks for."""
    archive = _archive(_OUT / "ee")
    folder = archive.parent
    shutil.copy(_ROOT / "docs" / "execution_environment.yml", folder)
    created = _run("ansible-builder", "create", "-f", "execution_environment.yml", "-c", "context", "--output-filename", "Containerfile",
                   cwd=folder)
    _run("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", "installed", archive.name,
         cwd=folder)
    told = _run("ansible-builder", "introspect", "installed", cwd=folder)
    complaints = [] if created.returncode == 0 else [created.stdout + created.stderr]
    wanted = (folder / "context/Containerfile", folder / "context/_build/collections" / archive.name)
    complaints += [f"{path}: not in the build context" for path in wanted if not path.exists()]
    return complaints + ([] if "openssh-client" in told.stdout else [f"introspect does not tell of ssh: {told.stdout}{told.stderr}"])


def _layout() -> list[str]:
    """The engine's code as engine/.clang-format has it; `clang-format -i FILE` mends it."""
    sources = sorted(str(path) for path in (_ROOT / "engine").rglob("*") if path.suffix in (".cpp", ".hpp", ".h"))
    done = _run("clang-format", "--dry-run", "--Werror", *sources, cwd=_ROOT)
    return [] if done.returncode == 0 else [line for line in done.stderr.splitlines() if "error:" in line]


def _vulnerabilities() -> list[str]:
    """What runs on the control node, with all that it brings, held against the advisories that the Python index has."""
    core = next(line for line in (_ROOT / "requirements.txt").read_text().splitlines() if line.startswith("ansible-core=="))
    (_OUT / "probe.txt").write_text(core + "\n")
    if not _audited("--no-deps", "--requirement", str(_OUT / "probe.txt"))[0]:
        raise Untried("no service of advisories can be reached from here")
    site_packages = next((_ROOT / ".venv" / "lib").glob("python3*/site-packages"))
    known, untold = _audited("--path", str(site_packages))
    found = [f"{one['name']} {one['version']}: {', '.join(hit['id'] for hit in one['vulns'])}" for one in known if one["vulns"]]
    return found + [f"{name}: nobody knows it" for name in untold]


def _audited(*which: str) -> tuple[list[dict[str, Any]], list[str]]:
    """What the service told of, and the names of which it knows nothing."""
    done = _run("pip-audit", "--progress-spinner", "off", "--timeout", "15", "--format", "json", *which, cwd=_OUT)
    told = json.loads(done.stdout)["dependencies"] if done.stdout.startswith("{") else []
    return [one for one in told if "vulns" in one], [one["name"] for one in told if "vulns" not in one]


def _archive(folder: Path) -> Path:
    """The collection, built in a folder that is new."""
    shutil.rmtree(folder, ignore_errors=True)
    tree = folder / "tree"
    tree.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (_ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_ROOT / name, tree / name)
    manifest = tree / "galaxy.yml"
    if "\nrepository:" not in manifest.read_text():
        manifest.write_text(manifest.read_text() + _NO_HOME)
    _run("ansible-galaxy", "collection", "build", "--output-path", str(folder), cwd=tree)
    return next(folder.glob("hft-ops-*.tar.gz"))


def _run(*argv: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env |= {"PATH": f"{_BIN}:{env['PATH']}", "PYTHONPATH": str(cwd) if argv[0] == "mypy" else "", **variables}
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
