# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX is given fits the playbooks: names, questions, rights, workflows; and the playbook that brings it is understood."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT, load, playbooks
from test_commands import variables_of

_FOLDER = ROOT / "docs" / "awx"
_DATA: dict[str, Any] = load(_FOLDER / "awx.yml")
_TEMPLATES = {template["name"]: template for template in _DATA["awx_templates"]}
_BIN = Path(sys.executable).parent


@pytest.mark.parametrize("name", _TEMPLATES)
def test_a_template_has_its_playbook_and_asks_for_variables_that_it_knows(name: str) -> None:
    assert name in playbooks()
    asked = [question["variable"] for question in _TEMPLATES[name]["survey"]]
    assert not set(asked) - variables_of(name)
    assert len(asked) == len(set(asked))


def test_every_playbook_that_people_run_has_a_template_or_says_why_not() -> None:
    run = {name for name in playbooks() if f"ansible-playbook hft.ops.{name} " in (ROOT / "playbooks" / f"{name}.yml").read_text()}
    assert run - set(_TEMPLATES) == set(_DATA["awx_without_template"])
    assert set(_TEMPLATES) <= run


def test_every_template_is_started_on_the_lab() -> None:
    started = {job["template"] for job in load(ROOT / "tests" / "integration" / "awx_jobs.yml")}
    assert started == set(_TEMPLATES)


def test_nobody_has_a_right_to_what_is_not_there() -> None:
    named = {step["template"] for workflow in _DATA["awx_workflows"] for step in workflow["steps"] if "template" in step}
    named |= {schedule["template"] for schedule in _DATA["awx_schedules"]}
    assert named <= set(_TEMPLATES)
    every = [*_TEMPLATES.values(), *_DATA["awx_workflows"]]
    assert {team for one in every for team in one["teams"]} <= set(_DATA["awx_teams"])


def test_traders_stop_and_look_and_only_approvers_clear() -> None:
    assert {name for name, one in _TEMPLATES.items() if "traders" in one["teams"]} == {"status", "collect", "killswitch", "rollback"}
    assert _TEMPLATES["killswitch_clear"]["teams"] == ["approvers"]


def test_a_step_gives_variables_that_a_survey_asks_for() -> None:
    """AWX takes no others."""
    for workflow in _DATA["awx_workflows"]:
        for step in (step for step in workflow["steps"] if "template" in step):
            assert set(step["extra"]) <= {question["variable"] for question in _TEMPLATES[step["template"]]["survey"]}


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Surveys, workflows and types of credentials in AWX's own form, as Ansible makes them."""
    folder = tmp_path_factory.mktemp("awx")
    look = "lookup('ansible.builtin.template', '%s/%s.json.j2', template_vars={'item': item})"
    forms = [f"{{% for item in {every} %}}{{{{ {look % (_FOLDER, kind)} }}}},{{% endfor %}}"
             for kind, every in (("survey", "awx_templates"), ("workflow", "awx_workflows"))]
    forms.append("{% for item in awx_credential_types %}{{ item | to_json }},{% endfor %}")
    task = {"name": "Forms", "ansible.builtin.copy": {"content": f"[{''.join(forms)}[]]", "dest": f"{folder}/forms.json", "mode": "0644"}}
    play = {"name": "Forms", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task],
            "vars_files": [str(_FOLDER / "awx.yml")]}
    (folder / "play.yml").write_text(json.dumps([play]))
    argv = [_BIN / "ansible-playbook", "-i", "localhost,", folder / "play.yml"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "forms.json").read_text())[:-1]


def test_the_forms_are_what_awx_reads(forms: list[dict[str, Any]]) -> None:
    surveys = [form for form in forms if "spec" in form]
    assert sorted(len(survey["spec"]) for survey in surveys) == sorted(len(one["survey"]) for one in _TEMPLATES.values())
    nodes = next(form for form in forms if isinstance(form, list))
    assert [form["injectors"] for form in forms if "injectors" in form][1] == {
        "extra_vars": {"bmc_user": "{{ user }}", "bmc_password": "{{ password }}"}}
    follow = [node["related"]["success_nodes"] for node in nodes]
    assert follow == [[{"identifier": f"step-{number}"}] for number in range(2, len(nodes) + 1)] + [[]]


def test_the_playbook_is_understood() -> None:
    done = subprocess.run([_BIN / "ansible-playbook", "--syntax-check", "-i", "localhost,", str(_FOLDER / "setup.yml")], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_its_tasks_give_options_that_the_modules_of_awx_have() -> None:
    tasks = [(name, given) for task in load(_FOLDER / "setup.yml")[0]["tasks"]
             for name, given in task.items() if name.startswith("awx.awx.")]
    asked = [_BIN / "ansible-doc", "--json", *{name for name, _ in tasks}]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    told = {name: found["doc"]["options"] for name, found in json.loads(done.stdout).items()}
    wrong = {f"{name}: {option}" for name, given in tasks for option in set(given) - set(told[name])}
    wrong |= {f"{name}: {option} is missing" for name, given in tasks
              for option, of in told[name].items() if of.get("required") and option not in given}
    wrong |= {f"{name}: {option}: {given[option]}" for name, given in tasks for option, of in told[name].items()
              if of.get("choices") and given.get(option, of["choices"][0]) not in of["choices"] and "{{" not in str(given[option])}
    assert not wrong
