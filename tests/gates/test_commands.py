# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that pages show: what they name exists, and a test runs it, or tests/commands.yml says why none does."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import support_page
from repository import ROOT, load, playbooks, roles, tracked

_PAGES = [path for path in tracked() if path.suffix == ".md"]
_COMMAND = re.compile(r"hft\.ops\.([a-z_]+)((?: (?:-\w|--[\w-]+|\[|'|\{|[^\s`|#…]+=)[^`|#\n]*)?)")
_VARIABLE = re.compile(r"-e '?\{?\"?([a-z_]\w*)(?:\"?: |=)")
_NOT_RUN = load(ROOT / "tests" / "commands.yml")


def _commands(page: Path) -> list[tuple[str, str]]:
    """Playbook and options of every command of a page."""
    found = [(name, options) for name, options in _COMMAND.findall((ROOT / page).read_text()) if name in playbooks()]
    return [(name, options) for name, options in found if options.strip()]


@functools.cache
def _options_of_roles() -> set[str]:
    specs = [load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"] for role in roles()]
    return {name for spec in specs for name in spec.get("options", {})}


def variables_of(playbook: str) -> set[str]:
    """What may be given to it: what it tells of itself, and every option of a role."""
    return _told(playbook) | _options_of_roles()


@functools.cache
def _told(playbook: str) -> set[str]:
    """Words of a playbook's own header, where it names its variables, and of the playbooks that it is made of."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text()
    header = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    named = set(re.findall(r"\b(\w+)\.yml\b", header + "\n".join(re.findall(r"import_playbook: (.+)", text))))
    parts = [(ROOT / "playbooks" / f"{part}.yml").read_text() for part in named & set(playbooks()) - {playbook}]
    return set(re.findall(r"\w+", "\n".join([header, *parts])))


@pytest.mark.parametrize("page", [page for page in _PAGES if _commands(page)], ids=str)
def test_a_command_gives_variables_that_the_playbook_knows(page: Path) -> None:
    unknown = {f"hft.ops.{name}: {variable}" for name, options in _commands(page) for variable in _VARIABLE.findall(options)
               if variable not in variables_of(name)}
    assert not unknown


@pytest.mark.parametrize("playbook", playbooks())
def test_a_playbook_is_run_by_a_test_or_says_why_not(playbook: str) -> None:
    runs = playbook in support_page.run_by_tests()
    assert runs != (playbook in _NOT_RUN["playbooks"]), "run by a test, and listed in tests/commands.yml" if runs else "run by no test"


@pytest.mark.parametrize("role", roles())
def test_a_role_is_applied_by_a_test_or_says_why_not(role: str) -> None:
    applied = bool(support_page.proofs_of_role(role))
    assert applied != (role in _NOT_RUN["roles"]), "applied, and listed in tests/commands.yml" if applied else "applied by no test"


def test_a_target_of_make_is_run_by_a_stage_or_says_why_not() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
    run = set(re.findall(r"command: make ([a-z-]+)", (ROOT / "tests" / "stages.yml").read_text()))
    assert targets - run == set(_NOT_RUN["make"])
    assert all(_NOT_RUN["make"].values())
    assert all(_NOT_RUN["playbooks"].values())
    assert all(_NOT_RUN["roles"].values())


def test_the_page_of_what_is_proven_is_what_the_tests_run() -> None:
    assert (ROOT / "docs" / "support.md").read_text() == support_page.page(), "run: python tests/gates/support_page.py > docs/support.md"
