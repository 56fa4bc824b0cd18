# SPDX-License-Identifier: GPL-3.0-or-later
"""What the community package `ansible` asks of a collection: the list is tests/inclusion.yml, what no other gate holds is here."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
import yaml

from repository import ROOT, load, modules, tracked

_LIST = {item: held for part in load(ROOT / "tests" / "inclusion.yml").values() for item, held in part.items()}
_GALAXY = load(ROOT / "galaxy.yml")
_README = (ROOT / "README.md").read_text()
_KINDS = {"action", "become", "cache", "callback", "cliconf", "connection", "doc_fragments", "filter", "httpapi", "inventory", "lookup",
          "module_utils", "modules", "netconf", "plugin_utils", "shell", "strategy", "terminal", "test", "vars"}
_FORBIDDEN = {"doc-choices-do-not-match-spec", "doc-default-does-not-match-spec", "doc-missing-type", "doc-required-mismatch",
              "mutually_exclusive-unknown", "no-log-needed", "nonexistent-parameter-documented", "parameter-list-no-elements",
              "parameter-type-not-in-doc"}


def _blocks(module: str) -> dict[str, Any]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    return {node.targets[0].id: yaml.safe_load(ast.literal_eval(node.value)) for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")}


@pytest.mark.parametrize("item", _LIST)
def test_an_item_is_held_by_a_test_or_says_why_it_is_open(item: str) -> None:
    held = _LIST[item]
    if isinstance(held, dict):
        assert held["open"]
        return
    path, _, name = held.partition("::")
    functions = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}
    assert name in functions, f"{item}: no such test: {held}"


def test_the_readme_says_how_to_take_part() -> None:
    policy = " ".join(_README[_README.index("## Release policy"):].split())
    for word in ("Semantic versioning", "CHANGELOG.rst", "docs/upgrade.md", "Code of Conduct", "no agreement to sign"):
        assert word in policy


def test_the_readme_says_what_is_supported() -> None:
    supported = _README[_README.index("## Supported systems"):]
    assert re.search(r"\| control node \|.*Python 3\.\d+.*ansible-core", supported)
    assert "Python 3.9" in supported


def test_the_version_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", _GALAXY["version"])


def test_kinds_of_plugins_are_known() -> None:
    assert {path.parts[1] for path in tracked() if path.parts[0] == "plugins"} <= _KINDS


def test_shared_code_is_private() -> None:
    shared = [path for path in tracked() if path.parts[:2] in {("plugins", "module_utils"), ("plugins", "plugin_utils")}]
    assert shared
    assert not [str(path) for path in shared if path.suffix == ".py" and not path.parts[2].startswith("_")]


@pytest.mark.parametrize("module", modules())
def test_a_module_is_documented_whole(module: str) -> None:
    blocks = _blocks(module)
    told = blocks["DOCUMENTATION"]
    assert told["module"] == module
    assert str(told["version_added"]) <= _GALAXY["version"]
    calls = [key for task in blocks["EXAMPLES"] for part in [task, *task.get("tasks", [])] for key in part]
    assert f"hft.ops.{module}" in calls
    assert "RETURN" in blocks


@pytest.mark.parametrize("module", modules())
def test_a_module_says_what_it_promises(module: str) -> None:
    told = _blocks(module)["DOCUMENTATION"]
    fragments = told["extends_documentation_fragment"]
    shared = {"hft.ops.attributes", "hft.ops.attributes.information"} & set([fragments] if isinstance(fragments, str) else fragments)
    assert shared or "check_mode" in told["attributes"]


@pytest.mark.parametrize("module", [module for module in modules() if module.endswith(("_info", "_facts"))])
def test_what_asks_changes_nothing(module: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text()
    assert "hft.ops.attributes.information" in _blocks(module)["DOCUMENTATION"]["extends_documentation_fragment"]
    assert "supports_check_mode=True" in text
    assert not re.search(r"changed=(?!False)", text)
    assert not module.endswith("_facts") or "ansible_facts" in text


@pytest.mark.parametrize("module", modules())
def test_no_state_asks(module: str) -> None:
    state = _blocks(module)["DOCUMENTATION"].get("options", {}).get("state", {})
    assert not {"get", "list", "query", "info", "read"} & set(state.get("choices", []))


def test_tags_are_as_galaxy_takes_them() -> None:
    tags = _GALAXY["tags"]
    assert 0 < len(tags) <= 20
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", tag) for tag in tags)


def test_sanity_runs_on_every_core() -> None:
    """The pinned one in stages of every change, every other minor version from the oldest on in one of its own."""
    file = ROOT / "tests" / "sanity" / "cores.py"
    listed = set(re.findall(r'"(2\.\d+)\.\d+"', file.read_text()))
    pinned = re.search(r"^ansible-core==(2\.\d+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    oldest = re.search(r">=(2\.\d+)", load(ROOT / "meta" / "runtime.yml")["requires_ansible"])
    assert pinned
    assert oldest
    minors = sorted({int(one.split(".")[1]) for one in [*listed, pinned[1]]})
    assert minors == list(range(int(oldest[1].split(".")[1]), minors[-1] + 1))
    stages = {stage["command"]: stage["sets"] for stage in load(ROOT / "tests" / "stages.yml")["stages"]}
    assert "test" in stages["python tests/sanity/ansible_test.py sanity"]
    assert stages["python tests/sanity/cores.py"] == ["all"]


def test_no_forbidden_ignore() -> None:
    ignores = "\n".join(file.read_text() for file in (ROOT / "tests" / "sanity").glob("ignore-*.txt"))
    assert not {rule for rule in _FORBIDDEN if rule in ignores}
