# SPDX-License-Identifier: GPL-3.0-or-later
"""Habits that hide failures or tie roles to one inventory are not let in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from repository import ROOT, playbook_files, tasks_of, tracked

_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_ADDRESS = re.compile(r"https?://[^\s/\"')>]+")
_INJECTED_FACT = re.compile(r"\bansible_(?:distribution|os_family|hostname|default_ipv4|memtotal_mb|processor|kernel|virtualization)\w*")
_ROLE_FILES = sorted(source for source in (ROOT / "roles").glob("*/**/*") if source.is_file())
_SOURCES = {".py", ".yml", ".yaml", ".j2", ".md", ".cpp", ".hpp", ".h", ".sql", ".toml", ".cfg", ".sh", ".txt", ".json", ".rst", ""}
_CODE = {".py", ".cpp", ".hpp", ".h"}


def _text(path: Path) -> str:
    return (ROOT / path).read_text(errors="replace")


def _all_tasks() -> list[tuple[Path, dict[str, Any]]]:
    files = [source for source in playbook_files() if source.parent.name in {"tasks", "handlers"}]
    return [(source.relative_to(ROOT), task) for source in files for task in tasks_of(source)]


@pytest.mark.parametrize("source", playbook_files(), ids=lambda source: str(source.relative_to(ROOT)))
def test_no_failure_is_ignored(source: Path) -> None:
    assert not re.search(r"^\s*-?\s*ignore_errors:\s*(?!false)", source.read_text(), re.MULTILINE)


@pytest.mark.parametrize("source", playbook_files(), ids=lambda source: str(source.relative_to(ROOT)))
def test_check_mode_is_not_blinded(source: Path) -> None:
    assert "ansible_check_mode" not in source.read_text()


@pytest.mark.parametrize("source", playbook_files(), ids=lambda source: str(source.relative_to(ROOT)))
def test_facts_are_taken_from_ansible_facts(source: Path) -> None:
    assert not _INJECTED_FACT.findall(source.read_text())


@pytest.mark.parametrize("source", _ROLE_FILES, ids=lambda source: str(source.relative_to(ROOT)))
def test_roles_name_no_groups(source: Path) -> None:
    assert not re.search(r"\bgroups\s*[\[.]|\bgroup_names\b|\bin groups\b", source.read_text(errors="replace"))


def test_commands_that_read_run_in_check_mode_too() -> None:
    """A command that never changes anything must also run in check mode, or what follows it is blind."""
    blind = [
        f"{source}: {task.get('name')}"
        for source, task in _all_tasks()
        if any(f"ansible.builtin.{name}" in task for name in ("command", "shell"))
        and task.get("changed_when") is False
        and task.get("check_mode") is not False
    ]
    assert not blind


def test_no_result_takes_the_name_of_a_variable() -> None:
    """A registered result outranks vars/main.yml: what the role computes under that name would be gone from there on."""
    taken = []
    for source, task in _all_tasks():
        role = ROOT.joinpath(*source.parts[:2])
        variables = {name for file in role.glob("vars/*.yml") for name in yaml.safe_load(file.read_text()) or {}}
        if task.get("register") in variables:
            taken.append(f"{source}: {task['register']}")
    assert not taken


def test_nothing_is_unfinished() -> None:
    here = Path(__file__).relative_to(ROOT)
    found = [str(path) for path in tracked() if path.suffix in _SOURCES and path not in {here, Path("pyproject.toml"), Path("LICENSE")}
             and _UNFINISHED.search(_text(path))]
    assert not found


def test_no_path_of_this_checkout_is_written_down() -> None:
    inside = [str(path) for path in tracked() if str(ROOT) + "/" in _text(path) or re.search(r"/(root|home/(?!deploy)\w+)/\.", _text(path))]
    assert not inside


def test_no_secret_is_tracked() -> None:
    """Neither a file that holds the lab's secrets, nor one of its values."""
    files = tracked()
    assert not [path for path in files if path.name in {"secrets.yml", ".env", "id_ed25519", "id_rsa"} or path.suffix in {".pem", ".key"}]
    secrets = (ROOT / "inventories").glob("*/group_vars/all/secrets.yml")
    values = [value for file in secrets for value in re.findall(r"^\w+:\s*[\"']?([^\s\"'#]{12,})", file.read_text(), re.MULTILINE)]
    assert not [path for path in files if any(value in _text(path) for value in values)]
    assert not [path for path in files if "PRIVATE KEY-----" in _text(path) and path != Path(__file__).relative_to(ROOT)]


def test_the_lab_names_no_mirror() -> None:
    """The archive and the package index are those of the machine that runs, read when it runs."""
    files = [path for path in tracked() if path.parts[0] == "lab" or path.name in {"Makefile", "requirements.txt", "bootstrap"}]
    assert not {str(path): named for path in files if (named := _ADDRESS.findall(_text(path)))}


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix in _CODE and _text(path).strip()], ids=str)
def test_code_names_its_licence(path: Path) -> None:
    # In two parts, or REUSE takes this line for a licence.
    assert "SPDX-License-" + "Identifier: GPL-3.0-or-later" in "\n".join(_text(path).splitlines()[:10])
