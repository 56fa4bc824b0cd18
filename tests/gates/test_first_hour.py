# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the first hour is what `make bench-first-hour` types: nothing of it is left out, and what it gives to playbooks they know."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest
import yaml

from repository import ROOT, playbooks
from test_commands import variables_of


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("first_hour_page", ROOT / "tests" / "first_hour" / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_STEPS = _module().steps()
_TEXT = (ROOT / "docs" / "first_hour.md").read_text()


def test_every_block_of_the_page_is_done() -> None:
    blocks = _TEXT.count("```") // 2
    consoles = _TEXT.count("```console")
    written = [act for step in _STEPS for act in step.done if act[0] == "write"]
    assert len(written) == blocks - consoles
    assert sum(len(step.commands) for step in _STEPS) == len(re.findall(r"^\$ ", _TEXT, re.MULTILINE))
    assert all(step.commands for step in _STEPS)


def test_files_of_the_page_are_yaml() -> None:
    for step in _STEPS:
        for act in step.done:
            assert act[0] == "type" or yaml.safe_load(act[2])


@pytest.mark.parametrize("command", [command for step in _STEPS for command in step.commands if "hft.ops." in command])
def test_a_playbook_knows_what_it_is_given(command: str) -> None:
    name = re.findall(r"hft\.ops\.(\w+)", command)[0]
    assert name in playbooks()
    assert not set(re.findall(r"-e (\w+)=", command)) - variables_of(name)
