# SPDX-License-Identifier: GPL-3.0-or-later
"""A release whose archive no key of the ring signed reaches no host."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.plugin_utils._signature import sign, unsigned

from lab.paths import ROOT

_BIN = Path(sys.executable).parent
_VERSION = "0.1.0+0a1b2c3d"
_PLAY = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{
    "hft.ops.engine_release": {"program": "hft_system", "version": _VERSION, "home": "{{ home }}", "archive": "{{ archive }}",
                               "sha256": "{{ sha256 }}", "keyring": "{{ keyring }}"}}]}]


def _gpg(home: Path, *argv: str | Path) -> None:
    subprocess.run(["gpg", "--homedir", str(home), "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", *map(str, argv)],
                   check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of gpg with two keys; the ring has the public half of one."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    for name in ("release@example.com", "other@example.com"):
        _gpg(home, "--quick-gen-key", name, "ed25519", "sign")
    _gpg(home, "--output", home / "ring.gpg", "--export", "release@example.com")
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    program = tmp_path / f"hft_system-{_VERSION}" / "bin" / "hft_system"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "release.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(program.parents[1], arcname=program.parents[1].name)
    return path


@pytest.fixture
def install(archive: Path, keys: Path, tmp_path: Path) -> Callable[..., str]:
    """install(**variables): what the run said; the release is on the host or it is not."""

    def run(*, fails: bool = False, **variables: str) -> str:
        (tmp_path / "play.json").write_text(json.dumps(_PLAY))
        wanted = {"archive": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), "home": str(tmp_path / "home"),
                  "keyring": str(keys / "ring.gpg"), "ansible_python_interpreter": sys.executable, **variables}
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH"))}
        done = subprocess.run([_BIN / "ansible-playbook", "-i", "localhost,", "-e", json.dumps(wanted), "play.json"], cwd=tmp_path,
                              env={**env, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections")}, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert (tmp_path / "home" / "releases" / _VERSION / "bin" / "hft_system").exists() != fails
        return " ".join((done.stdout + done.stderr).split())

    return run


def _sign(keys: Path, archive: Path, key: str = "release@example.com") -> None:
    _gpg(keys, "--armor", "--local-user", key, "--output", f"{archive}.asc", "--detach-sign", archive)


def test_a_signed_release_is_installed(install: Callable[..., str], keys: Path, archive: Path) -> None:
    _sign(keys, archive)
    install()


def test_where_no_signature_is_asked_for_the_sum_is_enough(install: Callable[..., str]) -> None:
    install(keyring="")


def test_an_unsigned_release_is_refused(install: Callable[..., str]) -> None:
    assert "is not signed (no release.tar.gz.asc beside it)" in install(fails=True)


def test_a_release_that_another_key_signed_is_refused(install: Callable[..., str], keys: Path, archive: Path) -> None:
    _sign(keys, archive, "other@example.com")
    assert "is not as a key of" in install(fails=True)


def test_a_release_that_was_edited_after_it_was_signed_is_refused(install: Callable[..., str], keys: Path, archive: Path) -> None:
    """Its sum may have been edited with it."""
    _sign(keys, archive)
    archive.write_bytes(archive.read_bytes() + b"\0")
    assert "is not as a key of" in install(fails=True)


def test_a_host_that_fetches_by_itself_sees_no_signature(install: Callable[..., str], archive: Path) -> None:
    assert "expected a path on the control node" in install(fails=True, archive=f"file://{archive}")


def test_a_ring_that_is_not_there_is_told(install: Callable[..., str]) -> None:
    assert "export the public keys there" in install(fails=True, keyring="/nowhere/ring.gpg")


def test_what_is_built_is_signed_with_the_key_that_is_named(keys: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keys))
    assert sign(str(archive), "release@example.com", f"{archive}.asc") is None
    assert unsigned(str(archive), str(keys / "ring.gpg")) is None
    assert "No secret key" in str(sign(str(archive), "nobody@example.com", f"{archive}.asc"))
