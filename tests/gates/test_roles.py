# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role owes its users: a spec that is the truth about its variables, a README, tagged phases."""

from __future__ import annotations

from typing import Any

import pytest

from repository import ROOT, load, roles, tasks_of

_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,), "dict": (dict,), "float": (float, int), "int": (int,), "list": (list,), "path": (str,), "raw": (object,),
    "str": (str,),
}
_PHASES = ("preflight", "install", "build", "configure", "service", "verify")


def _spec(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]


def _options(role: str) -> dict[str, dict[str, Any]]:
    return _spec(role).get("options", {})


def _defaults(role: str) -> dict[str, Any]:
    return load(ROOT / "roles" / role / "defaults" / "main.yml") or {}


def test_there_are_roles() -> None:
    assert roles()


@pytest.mark.parametrize("role", roles())
def test_defaults_have_the_names_of_the_spec(role: str) -> None:
    expected = {name for name, option in _options(role).items() if not option.get("required")}
    assert set(_defaults(role)) == expected


@pytest.mark.parametrize("role", roles())
def test_required_options_have_no_default(role: str) -> None:
    both = [name for name, option in _options(role).items() if option.get("required") and "default" in option]
    assert not both


@pytest.mark.parametrize("role", roles())
def test_default_values_equal_the_spec(role: str) -> None:
    options = _options(role)
    different = {
        name: (value, options[name].get("default", "no default in the spec"))
        for name, value in _defaults(role).items()
        if name in options and ("default" not in options[name] or not _same(value, options[name]["default"]))
    }
    assert not different


@pytest.mark.parametrize("role", roles())
def test_default_values_have_the_type_of_the_spec(role: str) -> None:
    wrong = {}
    for name, option in _options(role).items():
        if "default" in option:
            default, kind = option["default"], option.get("type", "str")
            if not isinstance(default, _TYPES[kind]) or (isinstance(default, bool) and kind not in ("bool", "raw")):
                wrong[name] = (kind, default)
    assert not wrong


@pytest.mark.parametrize("role", roles())
def test_specs_hold_no_jinja(role: str) -> None:
    """A default that depends on the host cannot be documented: it belongs into vars/, or is asked for."""
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    assert "{{" not in text
    assert "{%" not in text


@pytest.mark.parametrize("role", roles())
def test_every_option_is_described(role: str) -> None:
    silent = [path for path, option in _walk(_options(role)) if not option.get("description") or not option.get("type")]
    assert not silent


@pytest.mark.parametrize("role", roles())
def test_variables_carry_the_name_of_the_role(role: str) -> None:
    foreign = [name for name in _options(role) if not name.startswith(f"{role}_")]
    assert not foreign


@pytest.mark.parametrize("role", roles())
def test_internal_variables_carry_the_name_of_the_role(role: str) -> None:
    foreign = [
        name
        for source in (ROOT / "roles" / role / "vars").glob("*.yml")
        for name in load(source) or {}
        if not name.startswith(f"__{role}_")
    ]
    assert not foreign


@pytest.mark.parametrize("role", roles())
def test_role_has_a_readme_that_names_every_option(role: str) -> None:
    text = (ROOT / "roles" / role / "README.md").read_text()
    missing = [name for name in _options(role) if name not in text]
    assert not missing


@pytest.mark.parametrize("role", roles())
@pytest.mark.parametrize("promise", ["idempoten", "check mode", "reboot", "undo"])
def test_readme_keeps_the_promises_section(role: str, promise: str) -> None:
    assert promise in (ROOT / "roles" / role / "README.md").read_text().lower()


@pytest.mark.parametrize("role", roles())
def test_main_is_a_list_of_tagged_phases(role: str) -> None:
    for task in tasks_of(ROOT / "roles" / role / "tasks" / "main.yml"):
        file = task.get("ansible.builtin.import_tasks")
        assert file, f"{task.get('name')}: main.yml imports phases and does nothing else"
        phase = str(file).removesuffix(".yml")
        assert phase in _PHASES, f"{file}: not one of the phases {_PHASES}"
        assert set(task["tags"]) >= {role, f"{role}_{phase}"}


@pytest.mark.parametrize("role", roles())
def test_phases_stand_in_their_order(role: str) -> None:
    tasks = tasks_of(ROOT / "roles" / role / "tasks" / "main.yml")
    phases = [str(task.get("ansible.builtin.import_tasks")).removesuffix(".yml") for task in tasks]
    assert phases == [phase for phase in _PHASES if phase in phases]


@pytest.mark.parametrize("role", roles())
def test_galaxy_info_is_complete(role: str) -> None:
    info = load(ROOT / "roles" / role / "meta" / "main.yml")["galaxy_info"]
    assert info["license"] == "GPL-3.0-or-later"
    assert str(info["min_ansible_version"]) == "2.17"
    assert info["description"]
    assert info["platforms"]


def _same(left: Any, right: Any) -> bool:
    """Equal in value and in kind: 1 is not true, "1" is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right))
    return type(left) is type(right) and left == right


def _walk(options: dict[str, dict[str, Any]], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every option and suboption with its path."""
    found = []
    for name, option in options.items():
        found.append((f"{prefix}{name}", option))
        found += _walk(option.get("options", {}), f"{prefix}{name}.")
    return found
