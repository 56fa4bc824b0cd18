# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives virtual hosts, as far as no virtual host is needed."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.failure import LabError
from lab.paths import ROOT
from lab.vm import disk, guest, qmp


@pytest.fixture
def played_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict], tuple[Path, list[str]]]]:
    """played_qemu(answer): a socket that answers the last command so, with an event before; its path, and the commands it got."""
    # Longer than the name of a socket may be.
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    threads = []

    def play(answer: dict) -> tuple[Path, list[str]]:
        commands: list[str] = []
        monkeypatch.chdir(folder)
        server = socket.socket(socket.AF_UNIX)
        server.bind("qmp.sock")
        server.listen()

        def serve() -> None:
            with server, server.accept()[0] as line, line.makefile("rw") as text:
                print(json.dumps({"QMP": {}}), file=text, flush=True)
                for reply in ({"return": {}}, answer):
                    commands.append(json.loads(text.readline())["execute"])
                    print(json.dumps({"event": "POWERDOWN"}), json.dumps(reply), sep="\n", file=text, flush=True)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return folder / "qmp.sock", commands

    yield play
    for thread in threads:
        thread.join()


def test_command_is_sent_and_events_are_passed_over(played_qemu: Callable) -> None:
    path, commands = played_qemu({"return": {"status": "running"}})
    assert qmp.execute(path, "query-status") == {"status": "running"}
    assert commands == ["qmp_capabilities", "query-status"]


def test_refusal_of_qemu_is_told(played_qemu: Callable) -> None:
    path, _commands = played_qemu({"error": {"class": "CommandNotFound", "desc": "no such command"}})
    with pytest.raises(LabError, match="QEMU refused quti: no such command"):
        qmp.execute(path, "quti")


def test_silent_qemu_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="QEMU does not answer"):
        qmp.execute(tmp_path / "qmp.sock", "quit")


def test_disk_is_named_after_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_RECIPE", tmp_path)
    monkeypatch.setattr(disk, "_keys", list)
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    first = disk.path()
    (tmp_path / "guest.py").write_text("how it is started is not what it is made of\n")
    assert disk.path() == first
    (tmp_path / "Dockerfile").write_text("FROM b\n")
    assert disk.path() != first


def test_process_of_another_is_not_taken_for_the_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pid is given again; what has it now must not be ended."""
    monkeypatch.setattr(guest, "STATE", tmp_path)
    one = guest.Guest("x", tmp_path)
    assert one.pid is None
    one.state.mkdir()
    (one.state / "pid").write_text(f"{os.getpid()}\n")
    assert one.pid is None
    one.stop()


def test_a_silent_guest_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh keeps to the first value of an option, so one that stands after those of ansible.cfg says nothing."""
    monkeypatch.setattr(guest, "STATE", tmp_path)
    monkeypatch.setattr(guest.ssh_keys, "control", lambda: tmp_path / "key")
    one = guest.Guest("x", tmp_path)
    one.state.mkdir()
    one._write_inventory(22)
    argv = ["ansible", "-vvvv", "--inventory", str(one.inventory), "--module-name", "ansible.builtin.raw", "--args", "true", "all"]
    environment = {**os.environ, "ANSIBLE_SSH_EXECUTABLE": "/bin/false", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    said = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment).stdout
    assert re.findall(r"ServerAliveCountMax=(\d+)", said)[:1] == ["120"], said
