# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory, its secrets in ansible-vault and in AWS Secrets Manager (an emulator of it that answers over HTTP), by one variable."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import emulator
import pytest
import yaml

_NAMES = ("engine_database_password", "timescaledb_replication_password")
# What a template, YAML or a shell would make something else of.
_SECRETS = dict(zip(_NAMES, ("{{ 1 + 1 }} 'x' $HOME", 'a: "b" # c')))
_PLAY = [{"hosts": "localhost", "gather_facts": False, "tasks": [{
    "name": "Written where a role would write it",
    "ansible.builtin.copy": {"dest": "{{ told }}", "mode": "0600", "content": "{{ wanted | to_json }}"}, "no_log": True,
    "vars": {"wanted": {name: f"{{{{ lookup('hft.ops.secret', '{name}') }}}}" for name in _NAMES}}}]}]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Address of the emulator, with the secrets in it."""
    with emulator.serving() as url:
        for name, value in _SECRETS.items():
            emulator.client("secretsmanager", url).create_secret(Name=f"hft/production/{name}", SecretString=value)
        yield url


def _run(folder: Path, store: dict[str, object] | None, *more: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """A playbook with the inventory of the folder; what it wrote."""
    told = folder / "told.json"
    (folder / "play.yml").write_text(yaml.safe_dump(_PLAY))
    variables = {"told": str(told), "ansible_python_interpreter": sys.executable, **({"secrets_store": store} if store else {})}
    argv = ["-vvv", "-i", "localhost,", "-c", "local", "-e", json.dumps(variables), *more, "play.yml"]
    done = emulator.ansible("ansible-playbook", *argv, cwd=folder)
    return done, json.loads(told.read_text()) if told.exists() else {}


def _store(aws: str, prefix: str = "hft/production/") -> dict[str, object]:
    return {"kind": "aws", "prefix": prefix,
            "options": {"region": emulator.REGION, "endpoint_url": aws, "access_key": emulator.ACCESS_KEY,
                        "secret_key": emulator.SECRET_KEY}}


def test_secrets_of_aws_are_values_and_nobody_prints_them(aws: str, tmp_path: Path) -> None:
    done, told = _run(tmp_path, _store(aws))
    assert done.returncode == 0, done.stdout + done.stderr
    assert told == _SECRETS
    assert not [value for value in _SECRETS.values() if value in done.stdout + done.stderr]


def test_the_default_is_a_file_that_ansible_vault_encrypted(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a password of the vault\n")
    plain = {f"vault_{name}": value for name, value in zip(_NAMES, ("one $HOME 'x'", 'a: "b" # c'))}
    (tmp_path / "secrets.yml").write_text(yaml.safe_dump(plain))
    subprocess.run([emulator.BIN / "ansible-vault", "encrypt", "--vault-password-file", "password", "secrets.yml"], cwd=tmp_path,
                   check=True, capture_output=True)
    assert "one $HOME" not in (tmp_path / "secrets.yml").read_text()
    done, told = _run(tmp_path, None, "-e", "@secrets.yml", "--vault-password-file", "password")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(told.values()) == list(plain.values())


def test_a_secret_that_is_not_there_ends_the_run(aws: str, tmp_path: Path) -> None:
    done, told = _run(tmp_path, _store(aws, "hft/staging/"))
    assert done.returncode != 0
    assert "AWS secret hft/staging/engine_database_password" in " ".join((done.stdout + done.stderr).split())
    assert not told


@pytest.mark.parametrize(("store", "said"), [
    ({"kind": "aws_vault"}, "kind aws_vault: expected ansible_vault, aws, hashicorp"),
    ({"kind": "aws", "path": "x"}, "path: not known for kind aws"),
    ({"kind": "ansible_vault"}, "variable vault_engine_database_password: expected a text that is not empty"),
], ids=["kind", "key", "missing"])
def test_what_cannot_work_is_told(tmp_path: Path, store: dict[str, object], said: str) -> None:
    done, told = _run(tmp_path, store)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    assert not told
