# SPDX-License-Identifier: GPL-3.0-or-later
"""One running virtual host: two NUMA nodes of two SMT siblings each, 4 GiB, virtio and e1000e cards, SSH on a loopback port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import yaml

from lab import programs, ssh_keys
from lab.command import run
from lab.failure import LabError
from lab.vm import acceleration, qmp
from lab.vm.paths import KNOWN_HOSTS, STATE

NAME = "hft-vm-01"
# Emulated on two busy cores a boot takes minutes; alone about 90 s.
_BOOT_TIMEOUT_S = 600
# An emulated guest on a busy machine answers late, and says nothing for minutes.
_CONNECT_TIMEOUT_S = 120
_SILENT_S = 600
# Emulated, the largest processor is an AMD one, which has SMT siblings only when asked for.
_PROCESSORS = {acceleration.KVM: "host", acceleration.EMULATED: "max,topoext=on"}
_POWER_OFF_TIMEOUT_S = 60


class Guest:
    """A guest named name on the disk in folder; started and powered off as a context manager, or by hand with start() and stop().

    overlay: writes go to a file of this run alone, so that the disk stays as it was built.
    """

    def __init__(self, name: str, folder: Path, *, overlay: bool = True) -> None:
        self.name = name
        self._folder = folder
        self._disk = folder / "disk.raw"
        self._kernel = folder / "vmlinuz"
        self._overlay = overlay
        self.state = STATE / name
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return int((self.state / "port").read_text())

    @property
    def pid(self) -> int | None:
        """Process of the running guest, None when it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.state / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[:3] == [b"qemu-system-x86_64", b"-name", self.name.encode()]:
                return pid
        return None

    @property
    def _firmware(self) -> Path:
        """UEFI, where the disk asks for it; else a BIOS."""
        return self._folder / "firmware.fd"

    @property
    def inventory(self) -> Path:
        return self.state / "inventory.yml"

    def start(self) -> None:
        """Power on with a clean disk, and wait until SSH answers. A guest that runs already is left alone."""
        if self.pid is not None:
            return
        programs.ensure("qemu-system-x86_64", "qemu-system-x86", "qemu-utils")
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True)
        disk, form = self._disk, "raw"
        if self._overlay:
            disk, form = self.state / "overlay.qcow2", "qcow2"
            run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(self._disk), str(disk), fix="install qemu-utils")
        if self._firmware.exists():
            shutil.copy(self._folder / "variables.fd", self.state)
        port = _free_port()
        (self.state / "port").write_text(f"{port}\n")
        ssh_keys.pin({NAME: f"[127.0.0.1]:{port}"})
        self._write_inventory(port)
        with (self.state / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(self._argv(disk, form, port), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             cwd=self.state, start_new_session=True)
        (self.state / "pid").write_text(f"{self._process.pid}\n")
        while self.pid is None and self._process.poll() is None:
            time.sleep(0.05)  # it has its name only once the program has begun
        self.wait_for_ssh()

    def wait_for_ssh(self, timeout_s: float = _BOOT_TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.pid is None:
                raise LabError(f"{self.name}: QEMU has ended; read {self.state}/qemu.log and {self.state}/serial.log")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as banner:
                if banner.recv(4) == b"SSH-":
                    return
            time.sleep(0.5)
        raise LabError(f"{self.name}: no SSH within {timeout_s:g} s; read {self.state}/serial.log")

    def stop(self) -> None:
        """Power button, then, where nobody answers it, the plug."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(LabError):
            qmp.execute(self.state / "qmp.sock", "system_powerdown")
            if self._ended_within(_POWER_OFF_TIMEOUT_S):
                return
            qmp.execute(self.state / "qmp.sock", "quit")
            if self._ended_within(5):
                return
        os.kill(pid, signal.SIGKILL)
        self._ended_within(5)

    def ssh(self, *command: str) -> list[str]:
        """Arguments of an ssh to root of the guest."""
        return ["ssh", "-i", str(ssh_keys.control()), "-p", str(self.port), "-o", f"UserKnownHostsFile={KNOWN_HOSTS}",
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_TIMEOUT_S}", "root@127.0.0.1", *command]

    def shell(self, script: str) -> str:
        """Run a shell script as root of the guest; returns what it said. A failed one is a LabError."""
        return run(*self.ssh(script), fix=f"log in with `python -m lab.vm ssh {self.name}`")

    def _ended_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # A child is a zombie until it is asked for, and has lost its name some time before it is one.
            if self.pid is None if self._process is None else self._process.poll() is not None:
                return True
            time.sleep(0.2)
        return False

    def _argv(self, disk: Path, form: str, port: int) -> list[str]:
        accel = acceleration.choose(self._kernel)
        memory = [word for node in (0, 1) for word in (
            "-object", f"memory-backend-ram,id=memory{node},size=2G",
            "-numa", f"node,nodeid={node},cpus={2 * node}-{2 * node + 1},memdev=memory{node}")]
        flash = [word for drive in (f"unit=0,readonly=on,file={self._firmware}", "unit=1,file=variables.fd")
                 for word in ("-drive", f"if=pflash,format=raw,{drive}")] if self._firmware.exists() else []
        return [
            "qemu-system-x86_64", "-name", self.name, "-nodefaults", "-display", "none",
            "-accel", accel, "-cpu", _PROCESSORS[accel], "-M", "q35",
            "-smp", "4,sockets=2,cores=1,threads=2", "-m", "4G", *memory, *flash,
            "-drive", f"if=none,id=disk,file={disk},format={form},cache=unsafe,discard=unmap",
            "-device", "virtio-blk-pci,drive=disk,bootindex=1",
            "-netdev", f"user,id=control,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=control,romfile=",
            "-netdev", "user,id=trading,net=10.0.3.0/24,restrict=on", "-device", "e1000e,netdev=trading,romfile=",
            "-device", "virtio-rng-pci", "-serial", "file:serial.log", "-qmp", "unix:qmp.sock,server=on,wait=off",
        ]

    def _write_inventory(self, port: int) -> None:
        # The whole of ssh_args, because ssh keeps to the first value that it is given, which ansible.cfg would give.
        options = (f"-o UserKnownHostsFile={KNOWN_HOSTS} -o IdentitiesOnly=yes -o ControlMaster=auto -o ControlPersist=300s "
                   f"-o ServerAliveInterval=5 -o ServerAliveCountMax={_SILENT_S // 5}")
        host = {"ansible_host": "127.0.0.1", "ansible_port": port, "ansible_user": "root", "ansible_ssh_timeout": _CONNECT_TIMEOUT_S,
                "ansible_ssh_private_key_file": str(ssh_keys.control()), "ansible_ssh_args": options}
        self.inventory.write_text(yaml.safe_dump({"all": {"hosts": {NAME: host}}}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
