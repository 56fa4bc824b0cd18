# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.hft.ops.plugins.action.preflight_variables import (
    compare,
    left_by_its_role,
    role_options,
    sentence,
    variable_files,
    where,
)

_OPTIONS = {"engine": {"engine_home", "engine_api_port"}, "engine_build": {"engine_build_jobs"}, "limits": {"limits_units"}}


def test_longest_name_of_a_role_counts():
    checked, unknown = compare({"h": ["engine_build_job", "engine_api_prt", "engine_home", "engineer", "ansible_user"]}, _OPTIONS, set())
    assert checked == 3
    assert [(one["name"], one["role"], one["nearest"]) for one in unknown] == [
        ("engine_api_prt", "engine", "engine_api_port"), ("engine_build_job", "engine_build", "engine_build_jobs")]


def test_all_hosts_that_carry_it_are_named_and_allowed_names_pass():
    variables = {"b": ["limits_unit", "limits_mine"], "a": ["limits_unit"]}
    _checked, unknown = compare(variables, _OPTIONS, {"limits_mine"})
    assert [(one["name"], one["hosts"]) for one in unknown] == [("limits_unit", ["a", "b"])]


def test_what_a_role_registers_or_sets_is_no_misspelt_option(tmp_path):
    (tmp_path / "engine/tasks").mkdir(parents=True)
    tasks = "---\n- a:\n  register: engine_state\n- set_fact:\n    engine_secrets: 1\n# engine_word: none\n"
    (tmp_path / "engine/tasks/state.yml").write_text(tasks)
    names = ("engine_state", "engine_secrets", "engine_stat", "engine_word")
    left = {name: left_by_its_role(tmp_path, {"name": name, "role": "engine"}) for name in names}
    assert left == {"engine_state": True, "engine_secrets": True, "engine_stat": False, "engine_word": False}


def test_file_and_line_are_found_in_yaml_json_and_ini(tmp_path):
    (tmp_path / "group_vars/all").mkdir(parents=True)
    (tmp_path / "group_vars/all/x.yml").write_text("---\na: 1\nengine_hme: 1\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/h.json").write_text('{\n  "engine_prt": 1\n}\n')
    (tmp_path / "hosts.ini").write_text("[x]\nh ansible_host=1.2.3.4 engine_ini=2\n")
    (tmp_path / "vault.bin").write_bytes(b"\xff\xfe\x00")
    files = variable_files([tmp_path])
    assert where("engine_hme", files) == f"{tmp_path}/group_vars/all/x.yml:3"
    assert where("engine_prt", files) == f"{tmp_path}/host_vars/h.json:2"
    assert where("engine_ini", files) == f"{tmp_path}/hosts.ini:2"
    assert where("engine_none", files) is None
    assert where("engine_hm", files) is None


def test_inventory_that_is_one_file_brings_the_folders_beside_it(tmp_path):
    (tmp_path / "hosts.yml").write_text("all:\n  vars:\n    engine_a: 1\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/h.yml").write_text("engine_b: 1\n")
    files = variable_files([tmp_path / "hosts.yml"])
    assert where("engine_a", files) == f"{tmp_path}/hosts.yml:3"
    assert where("engine_b", files) == f"{tmp_path}/host_vars/h.yml:1"


def test_sentence_names_place_hosts_and_fix():
    variable = {"name": "engine_hme", "role": "engine", "nearest": "engine_home", "file": "group_vars/all.yml:3", "hosts": list("abcde")}
    assert sentence(variable) == ("engine_hme (group_vars/all.yml:3; a, b, c and 2 more): role engine has no such option; "
                                  "did you mean engine_home?")
    assert "perhaps -e" in sentence({**variable, "file": None})
    assert "roles/engine/README.md" in sentence({**variable, "nearest": None})


def test_options_of_all_entry_points_count(tmp_path):
    meta = tmp_path / "engine" / "meta"
    meta.mkdir(parents=True)
    text = "argument_specs:\n  main: {options: {engine_a: {}}}\n  other: {options: {engine_b: {}}}\n  bare: {}\n"
    (meta / "argument_specs.yml").write_text(text)
    assert role_options(tmp_path) == {"engine": {"engine_a", "engine_b"}}


@pytest.mark.parametrize("text", ["", "argument_specs: 5\n", "other: 1\n", "a: [\n"])
def test_broken_specification_is_named(tmp_path, text):
    meta = tmp_path / "engine" / "meta"
    meta.mkdir(parents=True)
    (meta / "argument_specs.yml").write_text(text)
    with pytest.raises(AnsibleActionFail, match=r"argument_specs\.yml: expected"):
        role_options(tmp_path)


def test_collection_without_roles_is_an_error_and_not_a_pass(tmp_path):
    with pytest.raises(AnsibleActionFail, match="holds no role"):
        role_options(tmp_path)
