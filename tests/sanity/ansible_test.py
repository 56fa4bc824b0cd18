# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `ansible-test sanity` or `units` of the pinned ansible-core on a copy of the tree, with nothing of this machine mixed in.

ansible-test wants a collection at ansible_collections/hft/ops, and its own home: it fetches pip from one web host, drops every
PIP_* variable and finds other Pythons on PATH. Here pip comes from the Python that runs, settings from a pip.conf, PATH is bare.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_WORK = _ROOT / "build" / "ansible-test"
_COPY = _WORK / "ansible_collections" / "hft" / "ops"
_HOME = _WORK / "home"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# What is installed with the collection, and what the tests of it need.
_PATHS = ("LICENSE", "README.md", "galaxy.yml", "changelogs", "meta", "plugins", "roles", "playbooks", "extensions",
          "tests/unit", "tests/sanity/ignore-*.txt", "CHANGELOG.rst")
_GET_PIP = '''"""Stands where ansible-test looks for its download of get-pip: brings pip from Python itself."""
import runpy
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--upgrade", *wanted]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


def main() -> int:
    verb = sys.argv[1]
    _copy_tree()
    _make_home()
    for outcome in (_COPY / "tests" / "output").glob("**/*.xml"):
        outcome.unlink()
    code = subprocess.run([_bin("ansible-test"), *_arguments(verb)], cwd=_COPY, env=_environment()).returncode
    _hand_over_junit()
    return code


def _arguments(verb: str) -> list[str]:
    if verb == "sanity":
        # pslint and shellcheck look at files that the copy does not hold.
        return ["sanity", "--color", "no", "--junit", "--python", _PYTHON, "--skip-test", "pslint", "--skip-test", "shellcheck"]
    if verb == "units":
        return ["units", "--color", "no", "--python", _PYTHON, "--num-workers", "2"]
    raise SystemExit(f"ERROR: {verb}: expected sanity or units")


def _copy_tree() -> None:
    """Tracked files and new ones that git does not ignore, links kept as they are."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PATHS], cwd=_ROOT,
                            capture_output=True, text=True, check=True).stdout
    shutil.rmtree(_COPY, ignore_errors=True)
    _COPY.mkdir(parents=True)
    for name in filter(None, listed.split("\0")):
        source, target = _ROOT / name, _COPY / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    # ansible-test asks git which files there are, and must not find the repository around the copy.
    subprocess.run(["git", "init", "--quiet", "."], cwd=_COPY, check=True)
    subprocess.run(["git", "add", "--all"], cwd=_COPY, check=True)


def _make_home() -> None:
    cache = _HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{_pip_version().replace('.', '_')}.py").write_text(_GET_PIP)
    config = _HOME / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(pip_config())


def _pip_version() -> str:
    """The version of pip that this ansible-test would fetch."""
    source = ("from types import SimpleNamespace as Python; from ansible_test._internal.python_requirements import get_venv_packages; "
              f"print(get_venv_packages(Python(version='{_PYTHON}'))['pip'])")
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout.strip()


def pip_config() -> str:
    """What pip is told on this machine by files and PIP_* variables, as one file."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    options = {}
    for line in said.splitlines():
        key, _, value = line.partition("=")
        options[key.rpartition(".")[2]] = " ".join(str(ast.literal_eval(value)).split())
    options.pop("config-file", None)
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())


def _environment() -> dict[str, str]:
    return {"HOME": str(_HOME), "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def _bin(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _hand_over_junit() -> None:
    target = os.environ.get("STAGE_JUNIT")
    if target:
        for source in (_COPY / "tests" / "output").glob("**/*.xml"):
            shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main())
