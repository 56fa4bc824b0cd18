# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin is documented under the name by which it is called, and its documentation has the parameters of its code."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from repository import ROOT, load, modules

_PLUGINS = ROOT / "plugins"
_ANY = object()  # a default that is written as an expression


def _sources(kind: str) -> list[Path]:
    return sorted(source for source in (_PLUGINS / kind).glob("*.py") if not source.stem.startswith("_"))


def _names(kind: str) -> dict[str, tuple[Path, str]]:
    """Source and function by name, as the class at the end of the source gives them out."""
    found = {}
    for source in _sources(kind):
        given = next(node for node in ast.walk(ast.parse(source.read_text()))
                     if isinstance(node, ast.FunctionDef) and node.name in ("filters", "tests"))
        answer = next(node.value for node in given.body if isinstance(node, ast.Return))
        assert isinstance(answer, ast.Dict), f"{source.name}: expected a dictionary of {given.name}"
        for key, value in zip(answer.keys, answer.values):
            assert isinstance(key, ast.Constant)
            found[str(key.value)] = (source, value.id if isinstance(value, ast.Name) else "")
    return found


_FILTERS, _TESTS = _names("filter"), _names("test")


def _inside(source: Path) -> dict[str, Any]:
    """What a source says of itself; empty where it says nothing."""
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source.read_text()).body
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
              and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")}
    return {key: value if key == "EXAMPLES" else yaml.safe_load(value) for key, value in values.items()}


def _documented(kind: str, name: str, source: Path) -> dict[str, Any]:
    beside = _PLUGINS / kind / f"{name}.yml"
    return load(beside) if beside.is_file() else _inside(source) if source.stem == name else {}


def _complete(kind: str, name: str, source: Path) -> dict[str, Any]:
    found = _documented(kind, name, source)
    place = f"plugins/{kind}/{name}.yml"
    assert found, f"{place}: expected the documentation of {kind} {name}, which {source.name} has"
    assert found["DOCUMENTATION"]["name"] == name, f"{place}: names {found['DOCUMENTATION']['name']}"
    return found


def _parameters(source: Path, function: str) -> dict[str, Any]:
    """Default by parameter, the first one (what is filtered) left out; Ellipsis where there is none."""
    node = next((node for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef) and node.name == function), None)
    if node is None:  # it comes from another file; that one has units of its own
        return {}
    names = [one.arg for one in node.args.args]
    defaults: list[Any] = [...] * (len(names) - len(node.args.defaults))
    defaults += [one.value if isinstance(one, ast.Constant) else _ANY for one in node.args.defaults]
    return dict(list(zip(names, defaults))[1:])


@pytest.mark.parametrize("name", sorted(_FILTERS))
def test_a_filter_is_documented_as_it_is_called(name: str) -> None:
    source, function = _FILTERS[name]
    found = _complete("filter", name, source)
    options = dict(found["DOCUMENTATION"]["options"])
    assert yaml.safe_load(found["EXAMPLES"])
    assert f"hft.ops.{name}" in found["EXAMPLES"], "expected an example that calls it"
    assert found["RETURN"]["_value"]["description"]
    assert options.pop("_input")["required"] is True
    parameters = _parameters(source, function)
    assert list(options) == list(parameters), f"{name}: options are not the parameters of {source.name}"
    positional = [one.strip() for one in (found["DOCUMENTATION"].get("positional") or "").split(",") if one.strip()]
    assert positional == list(parameters)[:len(positional)]
    assert bool(positional) is bool(parameters)
    for option, default in parameters.items():
        assert options[option].get("required", False) is (default is ...), f"{name}: {option}: required as in {source.name}"
        told = options[option].get("default")
        if default not in (..., _ANY):
            assert told == default or (default is None and not told), f"{name}: {option}: default as in {source.name}"


@pytest.mark.parametrize("name", sorted(_TESTS))
def test_a_test_is_documented(name: str) -> None:
    found = _complete("test", name, _TESTS[name][0])
    assert f"hft.ops.{name}" in found["EXAMPLES"]
    assert found["RETURN"]["_value"]["type"] == "bool"


@pytest.mark.parametrize("source", [*_sources("lookup"), *_sources("callback")], ids=lambda source: f"{source.parent.name}/{source.stem}")
def test_a_lookup_and_a_callback_is_documented(source: Path) -> None:
    kind = source.parent.name
    found = _complete(kind, source.stem, source)
    assert all(one["description"] for one in found["DOCUMENTATION"]["options"].values())
    assert kind == "callback" or f"hft.ops.{source.stem}" in found["EXAMPLES"]


def test_an_action_stands_for_a_module_that_is_documented() -> None:
    assert {source.stem for source in _sources("action")} <= set(modules())


@pytest.mark.parametrize("kind", ["filter", "test"])
def test_nothing_is_documented_that_is_not_there(kind: str) -> None:
    assert {source.stem for source in (_PLUGINS / kind).glob("*.yml")} <= set(_FILTERS if kind == "filter" else _TESTS)
