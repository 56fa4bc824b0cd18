# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulator of AWS on this machine that answers over HTTP, and playbooks of people who have no more than the collections."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

BIN = Path(sys.executable).parent
REGION = "us-east-1"
# The emulator takes any. Ansible blackens a secret wherever a module says it, so it must not be part of anything else.
ACCESS_KEY, SECRET_KEY = "emulated-access-key", "emulated-secret-key"
_ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S = 60


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([BIN / "moto_server", "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the emulator does not answer"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def client(service: str, url: str) -> Any:
    """AWS' own library on the emulator."""
    return boto3.client(service, endpoint_url=url, region_name=REGION, aws_access_key_id=ACCESS_KEY,
                        aws_secret_access_key=SECRET_KEY)


def ansible(program: str, *argv: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of ansible-core with hft.ops as it stands here and amazon.aws of the package ansible; no configuration of this tree."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AWS_", "PYTHON"))}
    collections = f"{_ROOT / 'build' / 'collections'}:{next((_ROOT / '.venv' / 'lib').glob('python3*')) / 'site-packages'}"
    return subprocess.run([BIN / program, *argv], cwd=cwd, env={**env, "ANSIBLE_COLLECTIONS_PATH": collections, **environment},
                          capture_output=True, text=True, check=False)
