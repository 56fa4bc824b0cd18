# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundle makes a control node without an index, and what is not as it was signed is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lab.paths import ROOT

_PART = {"type": "library", "name": "libpq5", "version": "17.6-0+deb13u1"}


def _run(*argv: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH"))}
    return subprocess.run([str(word) for word in argv], cwd=cwd, env={**env, **variables}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of gpg with one key, and its public half beside it."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    made = _run("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-gen-key", "bundle@example.com", "ed25519",
                "sign", cwd=home, GNUPGHOME=str(home))
    assert made.returncode == 0, made.stderr
    assert _run("gpg", "--batch", "--export", "--output", home / "ring.gpg", cwd=home, GNUPGHOME=str(home)).returncode == 0
    yield home
    _run("gpgconf", "--kill", "gpg-agent", cwd=home, GNUPGHOME=str(home))


@pytest.fixture(scope="module")
def archive(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "bill_of_materials.json").write_text(json.dumps({"bomFormat": "CycloneDX", "components": [_PART]}))
    with tarfile.open(folder / "engine.tar.gz", "w:gz") as tar:
        tar.add(folder / "bill_of_materials.json", "hft_system-0.1.0+0a1b2c3d/bill_of_materials.json")
    done = _run(sys.executable, ROOT / "bundle", "--release", folder / "engine.tar.gz", "--sign", "bundle@example.com", "--out", folder,
                cwd=folder, GNUPGHOME=str(keys))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def bundle(archive: Path, tmp_path: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "hft-ops-bundle"


def test_a_control_node_comes_of_it_without_an_index(bundle: Path, archive: Path, keys: Path, tmp_path: Path) -> None:
    done = _run(bundle / "install.sh", tmp_path / "node", keys / "ring.gpg", cwd=tmp_path, PIP_CONFIG_FILE="/dev/null", GNUPGHOME=str(keys))
    assert done.returncode == 0, done.stdout + done.stderr
    seen = _run(tmp_path / "node/venv/bin/ansible-playbook", "hft.ops.site", "--syntax-check", "-i", "localhost,", cwd=tmp_path,
                ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "node/collections"))
    assert seen.returncode == 0, seen.stderr
    assert (bundle / "releases/engine.tar.gz").read_bytes() == (archive.parent / "engine.tar.gz").read_bytes()


def test_the_bill_names_every_archive_with_its_sum(bundle: Path) -> None:
    bill = json.loads((bundle / "bill_of_materials.json").read_text())
    named = {component["name"]: component["hashes"][0]["content"] for component in bill["components"]}
    sums = {line.split("  ")[1].rpartition("/")[2]: line.split("  ")[0] for line in (bundle / "SHA256SUMS").read_text().splitlines()}
    assert {name for name in sums if name.endswith((".whl", ".tar.gz"))} == set(named)
    assert all(sums[name] == digest for name, digest in named.items())
    assert {component["name"]: component["components"] for component in bill["components"] if "components" in component} == {
        "engine.tar.gz": [_PART]}


@pytest.mark.parametrize(("change", "said"), [
    (lambda folder: (folder / "releases/engine.tar.gz").write_bytes(b"another"), "not what SHA256SUMS lists"),
    (lambda folder: (folder / "wheels/evil.whl").write_bytes(b""), "of which SHA256SUMS lists"),
    (lambda folder: (folder / "SHA256SUMS").write_text(""), "is not signed by a key"),
    (lambda folder: (folder / "SHA256SUMS.asc").unlink(), "is not signed by a key"),
], ids=["changed", "added", "other sums", "unsigned"])
def test_what_is_not_as_it_was_signed_is_refused(bundle: Path, keys: Path, tmp_path: Path, change, said: str) -> None:
    change(bundle)
    done = _run(bundle / "install.sh", tmp_path / "node", keys / "ring.gpg", cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "node").exists()
