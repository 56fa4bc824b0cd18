# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Arguments of the kernel's command line, compared by what they mean and not by how they are written.

Source: Documentation/admin-guide/kernel-parameters.rst: "-" and "_" are one character in a key, double quotes keep a value together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_set

# COMMAND_LINE_SIZE of x86-64, less the zero at its end.
LIMIT_BYTES = 2047
# Keys whose value is a set of CPUs; isolcpus may have flags before it.
CPU_KEYS = frozenset({"isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity", "kthread_cpus", "systemd.cpu_affinity"})
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_FLAG = re.compile(r"[a-z_]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What neither the shell of update-grub nor GRUB's own gives a meaning.
_VALUE = re.compile(r"[A-Za-z0-9_.,:/=+@%^-]*")


@dataclass(frozen=True)
class Argument:
    """One word of the command line. value: None for a key alone."""

    name: str
    value: str | None = None

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def text(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


def parsed(line: str) -> list[Argument]:
    return [Argument(name, value if sign else None) for name, sign, value in (word.partition("=") for word in _WORD.findall(line))]


def line_of(arguments: Iterable[Argument]) -> str:
    return " ".join(one.text for one in arguments)


def with_key(arguments: Iterable[Argument], key: str) -> list[Argument]:
    return [one for one in arguments if one.key == key.replace("-", "_")]


def meaning(argument: Argument, last: int) -> Any:
    """What two values of one key are compared by: sets of CPUs as sets. last: the highest CPU of the host."""
    if argument.key not in CPU_KEYS or argument.value is None:
        return argument.value
    try:
        flags, cpus = cpu_argument(argument, last)
    except ValueError:
        return argument.value
    return flags, cpus


def cpu_argument(argument: Argument, last: int) -> tuple[frozenset[str], frozenset[int]]:
    """Flags and CPUs of an argument that names CPUs; ValueError says what is wrong with it."""
    parts = (argument.value or "").split(",")
    flags: list[str] = []
    while argument.key == "isolcpus" and parts and _FLAG.fullmatch(parts[0]) and parts[0] != "all":
        flags.append(parts.pop(0))
    # Without a flag isolcpus means domain.
    implied = {"domain"} if argument.key == "isolcpus" and not flags else set()
    return frozenset(flags) | implied, cpu_set(",".join(parts), last)


def wrong_form(argument: Argument) -> str | None:
    """Why this cannot stand on a command line; None when it can."""
    if not _NAME.fullmatch(argument.name):
        return f"{argument.name!r}: expected the name of a kernel argument, such as isolcpus"
    if argument.value is not None and not _VALUE.fullmatch(argument.value):
        return f"{argument.name}: value {argument.value!r} has white space, quotes or a character of the shell or of GRUB; leave it out"
    return None
