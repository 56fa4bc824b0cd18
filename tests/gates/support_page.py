# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of what is proven and what is believed, made of what the tests run: python tests/gates/support_page.py > docs/support.md"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

_ROOT = Path(__file__).resolve().parents[2]
_PLAYBOOKS = {source.stem: source for source in sorted((_ROOT / "playbooks").glob("*.yml"))}
_ROLES = sorted(folder.name for folder in (_ROOT / "roles").iterdir() if (folder / "meta").is_dir())
# Where a playbook is run, and what that is.
_PLACES = {
    "scenario": ("molecule",),
    "lab": ("tests/integration", "tests/chaos", "lab", "inventories/lab"),
    "lab of regions": ("tests/regions_lab", "inventories/lab_regions"),
    "virtual host": ("tests/vm",),
    "other project": ("tests/consumer",),
    "containers of Debian 12": ("tests/hosts",),
    "engines in containers": ("tests/deploy",),
    "rulebook": ("tests/eda",),
}
# A call with the playbook's name, its file, or its full name on a command line.
_CALL = r"""(?:run|play|playbook)\(\s*["']{name}["']|playbooks/{name}\.yml|["' ]hft\.ops\.{name}["'](?!\}})"""
_HEADER = """\
# What is proven

Made of what the tests run by `tests/gates/support_page.py`; a gate holds this page against them. **Proven** is what a test
does on real hosts: a *scenario* (check on a bare host, the run, a second run that changes nothing, what the host itself says
afterwards), the *lab* (five hosts that trade on the paper venue), the *lab of regions* (three and a recovery site, an ocean
between them), a *virtual host* with a kernel and a boot loader of its own, *containers of Debian 12*, *engines in containers*
with bare hosts before them, *another project* that has nothing but the built archive, and the *rulebook* behind a real
Alertmanager, with engines that are played. A playbook that is a part of another is proven with it.
**Believed** is what should work and is run by no test as a whole. On which systems: [README](../README.md#supported-systems).
"""


def main() -> int:
    sys.stdout.write(page())
    return 0


def page() -> str:
    believed = yaml.safe_load((_ROOT / "tests" / "commands.yml").read_text())
    books = {name: ", ".join(_proofs_of_playbook(name)) or f"believed: {believed['playbooks'][name]}" for name in _PLAYBOOKS}
    roles = {role: ", ".join(proofs_of_role(role)) or f"believed: {believed['roles'][role]}" for role in _ROLES}
    return f"{_HEADER}\n## Playbooks\n\n{_table('playbook', books)}\n## Roles\n\n{_table('role', roles)}"


def _table(kind: str, rows: dict[str, str]) -> str:
    return f"| {kind} | proven in |\n| --- | --- |\n" + "".join(f"| `{name}` | {proof} |\n" for name, proof in rows.items())


def _proofs_of_playbook(name: str) -> list[str]:
    return [place for place in _PLACES if name in _run_in(place)]


def proofs_of_role(role: str) -> list[str]:
    """Where it is applied, by itself, by a role that uses it, or by a test of a scenario."""
    call = f'"ansible.builtin.import_role": {{"name": "hft.ops.{role}"}}}}'
    scenarios = [f"scenario {source.parent.name}" for source in sorted((_ROOT / "molecule").glob("*/converge.yml"))
                 if _applied(role, _with_parts(source.read_text()), own := _own_text(f"molecule/{source.parent.name}")) or call in own]
    return scenarios + [place for place, folders in _PLACES.items()
                        if place not in ("scenario", "rulebook") and _applied(role, _roles_text(place), _own_text(*folders))]


def _applied(role: str, text: str, own: str) -> bool:
    """Whether playbooks bring it; one that waits for a variable does so where the place itself has that variable."""
    return any(re.search(rf"hft\.ops\.{name}\b", text) for name in [role, *_users(role)]
               if not _waits_for()[name] or _waits_for()[name] & set(re.findall(r"\w+", own)))


@functools.cache
def _waits_for() -> dict[str, set[str]]:
    """By role, the variables without which no playbook brings it."""
    conditions: dict[str, list[set[str]]] = {role: [] for role in _ROLES}
    for source in sorted((_ROOT / "playbooks").rglob("*.yml")):
        for task in _tasks(yaml.safe_load(source.read_text())):
            brought = task.get("ansible.builtin.include_role") or task.get("ansible.builtin.import_role") or {"name": task.get("role", "")}
            role = brought["name"].removeprefix("hft.ops.")
            if role in conditions:
                conditions[role].append(set(re.findall(r"(\w+) (?:is defined|\| default\()", str(task.get("when", "")))))
    return {role: set().union(*found) if all(found) else set() for role, found in conditions.items()}


def _tasks(found: object) -> Iterable[dict]:
    """Every play, task and role below."""
    if isinstance(found, dict):
        yield found
    for one in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from _tasks(one)


@functools.cache
def _own_text(*folders: str) -> str:
    """What a place itself says, its inventory too."""
    files = [source for folder in folders for kind in ("*.py", "*.yml") for source in sorted((_ROOT / folder).rglob(kind))]
    return "".join(source.read_text() for source in files)


def _users(role: str) -> list[str]:
    word = re.compile(rf"name: hft\.ops\.{role}\b")
    return [user for user in _ROLES if any(word.search(source.read_text()) for source in (_ROOT / "roles" / user / "tasks").glob("*.yml"))]


def _roles_text(place: str) -> str:
    """All that a place's playbooks say; of another project its own too."""
    own = "".join(source.read_text() for source in sorted((_ROOT / "tests" / "consumer" / "project").rglob("*.yml")))
    return _with_parts(_joined(_run_in(place))) + (own if place == "other project" else "")


def run_by_tests() -> set[str]:
    """Playbooks that a test runs, as a whole or as a part of another."""
    return set().union(*map(_run_in, _PLACES))


@functools.cache
def _run_in(place: str) -> frozenset[str]:
    """Playbooks that the place's programs run, and all that these are made of."""
    programs = "\n".join(source.read_text() for folder in _PLACES[place] for kind in ("*.py", "*.yml")
                         for source in sorted((_ROOT / folder).rglob(kind)))
    found = {name for name in _PLAYBOOKS if re.search(_CALL.format(name=name), programs)} | (_jobs() if place == "lab" else set())
    parts = {name for name in _PLAYBOOKS if re.search(rf"import_playbook:.*\b{name}\.yml", _with_parts(_joined(found)))}
    return frozenset(found | parts)


def _jobs() -> set[str]:
    """Job templates that run on the lab to their end, and change what they are for."""
    jobs = yaml.safe_load((_ROOT / "tests" / "integration" / "awx_jobs.yml").read_text())
    return {job["template"] for job in jobs if not job.get("check") and "refused" not in job}


def _joined(names: Iterable[str]) -> str:
    return "".join(_PLAYBOOKS[name].read_text() for name in sorted(names))


def _with_parts(text: str) -> str:
    """A playbook's text with that of what it imports, and so on."""
    seen: set[str] = set()
    while True:
        more = set(re.findall(r"(?:import_playbook|import_tasks|include_tasks):.*?\b(\w+)\.yml", text)) - seen
        if not more:
            return text
        seen |= more
        sources = [_ROOT / folder / f"{name}.yml" for name in sorted(more) for folder in ("playbooks", "playbooks/tasks")]
        text += "".join(source.read_text() for source in sources if source.exists())


if __name__ == "__main__":
    sys.exit(main())
