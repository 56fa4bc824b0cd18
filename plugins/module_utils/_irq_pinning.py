# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Which interrupt belongs on which CPU, and putting it there.

The module irq_affinity imports this file and also installs it as the program of hft-irq-affinity.service, so both know the same. It is
a file of its own: the standard library, and nothing of the collection. A driver that gives its interrupts back (when it is loaded anew,
its queues are counted anew, or the link goes down) gets new ones, which are not pinned; so the service pins at every change of a link
that the kernel tells.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import sys
from dataclasses import dataclass
from typing import Any

CONFIG = "/etc/hft-irq-affinity.conf"
DEFAULT = "/proc/irq/default_smp_affinity"
# Names that drivers give the interrupts of queues: eth0-TxRx-3, eth0-rx-0, virtio1-input.0, mlx5_comp4@pci:….
_QUEUE = re.compile(r"(?<![a-z])(?:txrx|rxtx|rx|tx|input|output|comp|queue|fp|q|ntfy-block)[-._]?(\d+)", re.IGNORECASE)
_RTMGRP_LINK = 1
# The kernel manages this interrupt itself, or its chip cannot be told a CPU; that does not change. Linux 6.12 says EPERM, older ones EIO.
# Without the capability to override modes, as in the service, opening its read-only file already says EACCES.
MANAGED = (errno.EIO, errno.EPERM, errno.EACCES)


@dataclass(frozen=True)
class Config:
    """housekeeping: where interrupts may be; queues: CPUs of each interface, the n-th queue goes to the n-th of them, round again."""

    housekeeping: frozenset[int]
    queues: dict[str, tuple[int, ...]]

    def text(self) -> str:
        lines = [("housekeeping", *sorted(self.housekeeping)), *(("queues", name, *cpus) for name, cpus in sorted(self.queues.items()))]
        return "".join(" ".join(map(str, line)) + "\n" for line in lines)


@dataclass(frozen=True)
class Irq:
    """An interrupt in use. allowed: the CPUs of its mask; effective: where it goes now; queue: interface and number of a NIC's queue."""

    number: int
    name: str
    allowed: frozenset[int]
    effective: frozenset[int]
    queue: tuple[str, int] | None

    @property
    def path(self) -> str:
        return f"/proc/irq/{self.number}/smp_affinity"

    def wanted(self, config: Config) -> frozenset[int]:
        """Its CPUs by the configuration; what it has where that is as good."""
        if self.queue is not None:
            cpus = config.queues[self.queue[0]]
            return frozenset({cpus[self.queue[1] % len(cpus)]})
        return self.allowed & config.housekeeping or config.housekeeping

    def fits(self, config: Config) -> bool:
        # The mask decides: some chips change where an interrupt goes only when it comes, and writing the mask again does not hasten it.
        return self.allowed == self.wanted(config)


def parse(text: str) -> Config:
    """The configuration as Config.text() wrote it."""
    housekeeping: frozenset[int] = frozenset()
    queues = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["housekeeping"]:
            housekeeping = frozenset(map(int, words[1:]))
        elif words[:1] == ["queues"]:
            queues[words[1]] = tuple(map(int, words[2:]))
        elif words:
            raise ValueError(f"{words[0]}: expected housekeeping or queues")
    return Config(housekeeping, queues)


def mask_cpus(text: str | None) -> frozenset[int]:
    """The CPUs of a mask of the kernel, such as 00000000,0000000f."""
    value = int((text or "").strip().replace(",", "") or "0", 16)
    return frozenset(cpu for cpu in range(value.bit_length()) if value >> cpu & 1)


def mask_text(cpus: frozenset[int]) -> str:
    """The mask of these CPUs, of which there is at least one."""
    digits = f"{sum(1 << cpu for cpu in cpus):x}"
    digits = digits.zfill(-(-len(digits) // 8) * 8)
    return ",".join(digits[at:at + 8] for at in range(0, len(digits), 8)).lstrip("0")


def interface_irqs(kernel: Any, interface: str) -> list[int]:
    """The interrupts of a network card; none for an interface without a device of its own."""
    device = f"/sys/class/net/{interface}/device"
    if (kernel.read(f"{device}/modalias") or "").startswith("virtio:"):
        device += "/.."  # a virtio card's are those of the PCI device above it
    vectors = kernel.names(f"{device}/msi_irqs")
    if vectors:
        return sorted(map(int, vectors))
    single = (kernel.read(f"{device}/irq") or "0").strip()
    return [int(single)] if single.isdigit() and int(single) else []


def irqs(kernel: Any, config: Config) -> list[Irq]:
    """Every interrupt that a driver uses, by number."""
    queues = {}
    for interface in config.queues:
        numbers = interface_irqs(kernel, interface)
        for number in numbers:
            name = _name(kernel, number)
            queue = _QUEUE.search(name)
            # One for all; of a card that is down it may be another device's meanwhile.
            if queue or (len(numbers) == 1 and interface in name):
                queues[number] = (interface, int(queue[1]) if queue else 0)
    found = []
    for number in sorted(int(name) for name in kernel.names("/proc/irq") if name.isdigit()):
        name, mask = _name(kernel, number), kernel.read(f"/proc/irq/{number}/smp_affinity")
        if name and mask is not None:
            allowed = mask_cpus(mask)
            # Empty until the interrupt is first started, and absent where the kernel does not tell.
            effective = mask_cpus(kernel.read(f"/proc/irq/{number}/effective_affinity")) or allowed
            found.append(Irq(number, name, allowed, effective, queues.get(number)))
    return found


def _name(kernel: Any, number: int) -> str:
    return (kernel.read(f"/sys/kernel/irq/{number}/actions") or "").strip()


class Kernel:
    """The files of the running kernel; as the Host of the collection's modules, as far as it is needed here."""

    def read(self, path: str) -> str | None:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except OSError:
            return []

    def poke(self, path: str, value: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)


def pin(kernel: Any, config: Config) -> list[str]:
    """Put every interrupt where it belongs; a sentence for each that was moved, or that could not be."""
    said = []
    if not mask_cpus(kernel.read(DEFAULT)) <= config.housekeeping:
        said += _poke(kernel, DEFAULT, "default_smp_affinity", config.housekeeping)
    for irq in irqs(kernel, config):
        if not irq.fits(config):
            said += _poke(kernel, irq.path, f"irq {irq.number} {irq.name}", irq.wanted(config))
    return said


def _poke(kernel: Any, path: str, name: str, cpus: frozenset[int]) -> list[str]:
    try:
        kernel.poke(path, mask_text(cpus))
    except OSError as why:
        return [] if why.errno in MANAGED else [f"{name}: {why.strerror}"]
    return [f"{name} -> {','.join(map(str, sorted(cpus)))}"]


def _ready() -> None:
    """Tell systemd that everything is pinned (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.connect("\0" + address[1:] if address.startswith("@") else address)
            link.sendall(b"READY=1")


def main() -> None:
    kernel = Kernel()
    try:
        config = parse(kernel.read(CONFIG) or "")
    except ValueError as wrong:
        raise SystemExit(f"{CONFIG}: {wrong}") from wrong
    if not config.housekeeping:
        raise SystemExit(f"{CONFIG}: names no housekeeping CPU")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as links:
        links.bind((0, _RTMGRP_LINK))  # before the first pinning, so that no change is missed
        while True:
            for line in pin(kernel, config):
                sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            _ready()
            # What the messages say does not matter; ENOBUFS means that some were lost.
            with contextlib.suppress(OSError):
                links.recv(65536)
                while True:
                    links.recv(65536, socket.MSG_DONTWAIT)


if __name__ == "__main__":
    main()
