# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. ethtool: what a network card has and could have, and setting it.

Names and values are those of its command line: rx, combined, rx-usecs, adaptive-rx, generic-receive-offload; numbers, on and off. Newer
versions tell them as JSON, for older ones the text is read; a name that is not told is one that the driver does not have.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

# Group of settings: the options that read and set it.
GROUPS = {"channels": ("-l", "-L"), "rings": ("-g", "-G"), "coalescing": ("-c", "-C"), "offloads": ("-k", "-K")}
# The short names that ethtool takes for features, and the names that it tells.
SHORT_NAMES = {
    "gro": "generic-receive-offload", "gso": "generic-segmentation-offload", "lro": "large-receive-offload", "ntuple": "ntuple-filters",
    "rx": "rx-checksumming", "rxhash": "receive-hashing", "rxvlan": "rx-vlan-offload", "sg": "scatter-gather",
    "tso": "tcp-segmentation-offload", "tx": "tx-checksumming", "txvlan": "tx-vlan-offload",
}
NO_ETHTOOL = "ENOENT: ethtool is not installed"
_ADAPTIVE = {"rx": "adaptive-rx", "tx": "adaptive-tx"}


class NotSupported(HostError):
    """The driver, or this host, has no such settings; with the words of ethtool."""


@dataclass(frozen=True)
class Settings:
    """One group of one card. most: highest value by name; fixed: features that the driver does not let change."""

    values: dict[str, str]
    most: dict[str, int]
    fixed: frozenset[str] = frozenset()


class Ethtool:
    """The tool on the host."""

    def __init__(self, run_command: RunCommand) -> None:
        self._run_command = run_command

    def read(self, interface: str, group: str) -> Settings:
        option = GROUPS[group][0]
        code, out, _err = self._run("--json", option, interface)
        if code == 0:
            try:
                return _of_json(group, json.loads(out)[0])
            except (ValueError, LookupError, AttributeError):
                pass  # a version that knows --json and not for this option
        code, out, err = self._run(option, interface)
        if code != 0:
            raise NotSupported(f"ethtool {option} {interface}: {_words(err or out)}")
        return _of_text(group, out)

    def write(self, interface: str, group: str, values: dict[str, str]) -> None:
        """Set these at once; HostError with the words of ethtool."""
        argv = self.argv(interface, group, values)
        code, out, err = self._run(*argv[1:])
        if code != 0:
            raise HostError(f"{' '.join(argv)}: {_words(err or out)}")

    @staticmethod
    def argv(interface: str, group: str, values: dict[str, str]) -> list[str]:
        return ["ethtool", GROUPS[group][1], interface, *(word for name, value in sorted(values.items()) for word in (name, value))]

    def _run(self, *words: str) -> tuple[int, str, str]:
        try:
            return self._run_command(["ethtool", *words], environ_update={"LC_ALL": "C"}, path_prefix="/usr/sbin:/sbin:/usr/bin:/bin",
                                     handle_exceptions=False)
        except OSError as why:
            raise NotSupported(NO_ETHTOOL) from why


def _words(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()) or "without a word"


def _of_json(group: str, found: dict) -> Settings:
    if group == "offloads":
        features = {name: one for name, one in found.items() if isinstance(one, dict)}
        return Settings({name: _on(one["active"]) for name, one in features.items()}, {},
                        frozenset(name for name, one in features.items() if one.get("fixed")))
    values, most = {}, {}
    for name, value in found.items():
        if name == "ifname" or value is None or value == "n/a":
            continue
        if name.endswith("-max"):
            most[name[:-len("-max")]] = int(value)
        elif isinstance(value, bool):
            values[_ADAPTIVE.get(name, name) if group == "coalescing" else name] = _on(value)
        else:
            values[name] = str(value)
    return Settings(values, most)


def _on(value: bool) -> str:
    return "on" if value else "off"


def _of_text(group: str, text: str) -> Settings:
    values: dict[str, str] = {}
    if group == "offloads":
        rows = re.findall(r"^\s*([\w-]+): (on|off)(?: \[(fixed)[^\]]*\])?", text, re.MULTILINE)
        return Settings({name: value for name, value, _fixed in rows}, {}, frozenset(name for name, _value, fixed in rows if fixed))
    if group == "coalescing":
        adaptive = re.search(r"^Adaptive RX: (\S+)\s+TX: (\S+)", text, re.MULTILINE)
        values = {"adaptive-rx": adaptive[1], "adaptive-tx": adaptive[2]} if adaptive else {}
        values.update(re.findall(r"^([a-z][\w-]*):\s*(\S+)$", text, re.MULTILINE))
        return Settings({name: value for name, value in values.items() if value != "n/a"}, {})
    limits, _heading, now = text.partition("Current hardware settings:")
    most = {name: int(value) for name, value in _rows(limits).items() if value.isdigit()}
    return Settings({name: value for name, value in _rows(now).items() if value != "n/a"}, most)


def _rows(text: str) -> dict[str, str]:
    """Rows such as "RX Mini:  256", by the name on the command line."""
    return {name.strip().lower().replace(" ", "-"): value for name, value in re.findall(r"^([\w ]+):\s+(\S+)$", text, re.MULTILINE)}
