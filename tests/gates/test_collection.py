# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a user gets it: built, installed into an empty directory without the network, used by FQCN from there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from repository import ROOT, load, modules, playbooks, roles, tracked

_BIN = Path(sys.executable).parent
_TOP_LEVEL = {"CHANGELOG.rst", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "extensions",
              "meta", "playbooks", "plugins", "roles"}
_INSTALLED = {"extensions", "meta", "plugins", "roles", "playbooks"}


def _run(*argv: str, cwd: Path, collections: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    if collections:
        env["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
    return subprocess.run([str(_BIN / argv[0]), *argv[1:]], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def archive() -> Path:
    # galaxy.yml's build_ignore speaks of the checkout, so it is the checkout that is built.
    done = _run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(ROOT / "build"), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    manifest = load(ROOT / "galaxy.yml")
    return ROOT / "build" / f"{manifest['namespace']}-{manifest['name']}-{manifest['version']}.tar.gz"


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collections path that holds hft.ops and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    done = _run("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", str(target), str(archive), cwd=target)
    assert done.returncode == 0, done.stderr
    return target


def _collections_used() -> set[str]:
    """Collections whose modules stand in a task, builtin and our own left out."""
    task_key = re.compile(r"^\s+(?:- )?((?!ansible\.builtin|hft\.ops)[a-z_]+\.[a-z_]+)\.[a-z_]+:", re.MULTILINE)
    places = ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/*.yml", "playbooks/tasks/*.yml")
    texts = [source.read_text() for place in places for source in ROOT.glob(place)]
    return {name for text in texts for name in task_key.findall(text)}


def test_action_group_is_the_list_of_modules() -> None:
    group = load(ROOT / "meta" / "runtime.yml")["action_groups"]["hft"]
    assert sorted(group) == modules()
    assert group == sorted(group)


def test_changelog_names_every_module() -> None:
    """After a new module: antsibull-changelog release --refresh --reload-plugins."""
    text = (ROOT / "CHANGELOG.rst").read_text()
    assert not [module for module in modules() if f"hft.ops.{module} - " not in text]


def test_core_version_is_stated() -> None:
    assert load(ROOT / "meta" / "runtime.yml")["requires_ansible"] == ">=2.17.0"


def test_dependencies_are_the_collections_that_are_used() -> None:
    assert _collections_used() == set(load(ROOT / "galaxy.yml")["dependencies"])


def test_archive_holds_what_users_need_and_nothing_else(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} <= _TOP_LEVEL
    expected = {str(path) for path in tracked() if path.parts[0] in _INSTALLED}
    assert {name for name in names if name.split("/")[0] in _INSTALLED and name in expected} == expected
    assert not [name for name in names if name.endswith((".pyc", ".tar.gz")) or "__pycache__" in name]


def test_archive_is_small(archive: Path) -> None:
    """Of what the community package takes, a tenth."""
    assert archive.stat().st_size < 2_000_000


def test_installed_roles_are_complete(installed: Path) -> None:
    folder = installed / "ansible_collections" / "hft" / "ops" / "roles"
    assert sorted(child.name for child in folder.iterdir()) == roles()


@pytest.fixture(scope="module")
def documented(installed: Path) -> dict[str, set[str]]:
    """FQCN of all that ansible-doc describes where it is installed, by kind."""
    found = {}
    for kind, names in (("module", modules()), ("role", roles())):
        done = _run("ansible-doc", "--json", "-t", kind, *[f"hft.ops.{name}" for name in names], cwd=installed, collections=installed)
        assert done.returncode == 0, done.stderr
        described = json.loads(done.stdout)
        found[kind] = {name for name, text in described.items() if text.get("doc") or text.get("entry_points")}
    return found


@pytest.mark.parametrize("module", modules())
def test_module_is_documented_where_it_is_installed(documented: dict[str, set[str]], module: str) -> None:
    assert f"hft.ops.{module}" in documented["module"]


@pytest.mark.parametrize("role", roles())
def test_role_is_documented_where_it_is_installed(documented: dict[str, set[str]], role: str) -> None:
    assert f"hft.ops.{role}" in documented["role"]


@pytest.fixture(scope="module")
def refused(installed: Path) -> dict[str, str]:
    """What is said of playbooks that are not found or not understood where they are installed; one process reads all, if it can."""
    def said(*names: str) -> str:
        done = _run("ansible-playbook", *[f"hft.ops.{name}" for name in names], "--syntax-check", "-i", "localhost,", cwd=installed,
                    collections=installed)
        assert done.returncode != 0 or done.stdout.count("playbook: ") == len(names), done.stdout
        return done.stderr + done.stdout if done.returncode != 0 else ""

    names = playbooks()
    return {name: wrong for name in names if (wrong := said(name))} if said(*names) else {}


@pytest.mark.parametrize("playbook", playbooks())
def test_playbook_is_found_by_name_where_it_is_installed(refused: dict[str, str], playbook: str) -> None:
    assert playbook not in refused, refused[playbook]


def test_validate_is_one_of_the_playbooks() -> None:
    assert (ROOT / "playbooks" / "validate.yml").exists()
