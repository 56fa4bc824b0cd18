# SPDX-License-Identifier: GPL-3.0-or-later
"""Every job template of docs/awx, started on the lab as AWX starts it: by ansible-runner, with the answers to its survey.

awx_jobs.yml says which jobs there are, in their order, and how each one ends. What AWX itself makes of a survey is done here as its own
validation does it, on the form that AWX is given: a text that nobody answered arrives empty, a choice or a number not at all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml

from lab import playbook
from lab.paths import INVENTORY, ROOT

_DATA: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "awx" / "awx.yml").read_text())
_JOBS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "awx_jobs.yml").read_text())


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """By template, the questions in AWX's own form."""
    folder = tmp_path_factory.mktemp("surveys")
    form = "{{ lookup('ansible.builtin.template', '" + str(ROOT / "docs" / "awx" / "survey.json.j2") + "') }}"
    task = {"name": "Form", "ansible.builtin.copy": {"content": form, "dest": f"{folder}/{{{{ item.name }}}}.json", "mode": "0600"},
            "loop": "{{ awx_templates }}", "loop_control": {"label": "{{ item.name }}"}}
    play = {"name": "Forms", "hosts": "localhost", "connection": "local", "gather_facts": False, "become": False,
            "vars_files": [str(ROOT / "docs" / "awx" / "awx.yml")], "tasks": [task]}
    (folder / "play.yml").write_text(json.dumps([play]))
    done = ansible_runner.run(private_data_dir=str(folder), playbook=str(folder / "play.yml"), inventory="localhost,", quiet=True)
    assert done.status == "successful", done.status
    return {template["name"]: json.loads((folder / f"{template['name']}.json").read_text())["spec"] for template in _DATA["awx_templates"]}


def _variables(survey: list[dict[str, Any]], answers: dict[str, Any]) -> dict[str, Any]:
    """What AWX gives to the job. An answer that it would not take fails the test."""
    given = {}
    for asked in survey:
        name, answered = asked["variable"], asked["variable"] in answers
        wrong = _refusal(asked, answers.get(name, asked["default"]))
        assert answered or not asked["required"], f"{name}: AWX wants an answer"
        assert not (answered and wrong), f"{name}: {wrong}"
        if not wrong:
            given[name] = answers.get(name, asked["default"])
    assert not set(answers) - {asked["variable"] for asked in survey}, "AWX takes no variable that no question asks for"
    return given


def _refusal(asked: dict[str, Any], value: Any) -> str:
    """What AWX has against an answer, or a default, of that question."""
    if asked["type"] == "text":
        return "" if isinstance(value, str) and asked["min"] <= len(value) <= asked["max"] else f"{value!r} is no text of that length"
    if asked["type"] == "integer":
        return "" if isinstance(value, int) and asked["min"] <= value <= asked["max"] else f"{value!r} is no number in that range"
    return "" if value in asked["choices"] else f"{value!r} is none of {asked['choices']}"


def _name(job: dict[str, Any]) -> str:
    return "-".join([job["template"], *map(str, job.get("answers", {}).values())])[:60]


@pytest.mark.long
@pytest.mark.parametrize("job", _JOBS, ids=_name)
def test_a_job_ends_as_it_should(job: dict[str, Any], demo: dict, surveys: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    name = job["template"]
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / f"{name}.yml").write_text(f"- name: Of the collection\n  import_playbook: hft.ops.{name}\n")
    environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"),
                   "ANSIBLE_NOCOLOR": "1", "PATH": os.environ["PATH"], "PWD": str(tmp_path)}
    done = ansible_runner.run(
        private_data_dir=str(tmp_path), playbook=f"{name}.yml", inventory=str(INVENTORY), quiet=True,
        extravars=_variables(surveys[name], job.get("answers", {})), cmdline="--check" if job.get("check") else None,
        envvars=environment)
    with done.stdout as told:
        said = " ".join(told.read().split())
    assert done.status == ("failed" if "refused" in job else "successful"), said[-4000:]
    assert job.get("refused", job.get("says", "")) in said


@pytest.mark.long
def test_the_lab_trades_as_before(demo: dict) -> None:
    assert playbook.run("validate", record="e2e_awx_validate", show=False).rc == 0
