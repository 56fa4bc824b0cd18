# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _host_guard
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.nic_tuning import apply

_UNIT = "/etc/systemd/system/hft-nic-tuning.service"
_NET = "/sys/class/net"
_WANTED = {"name": "eth0", "channels": {"combined": 2}, "rings": {"rx": "max", "tx": 512},
           "coalescing": {"adaptive-rx": False, "rx-usecs": 0}, "offloads": {"gro": False, "large-receive-offload": False},
           "napi_defer_hard_irqs": 2, "gro_flush_timeout_ns": 200000}


class Card:
    """ethtool and a card behind it. version: json for those that answer every question as JSON, text for 6.1 and older ones.

    rounds: the card makes ring lengths multiples of it; has: False for a driver without any settings.
    """

    def __init__(self, version="text", rounds=1, has=True):
        self.version, self.rounds, self.has, self.installed = version, rounds, has, True
        self.most = {"-l": {"combined": 4}, "-g": {"rx": 4096, "tx": 2048}}
        self.now = {
            "-l": {"combined": 4}, "-g": {"rx": 256, "tx": 256},
            "-c": {"adaptive-rx": "on", "adaptive-tx": "n/a", "rx-usecs": 50, "rx-frames": 1, "rx-usecs-irq": "n/a"},
            "-k": {"rx-checksumming": "on", "generic-receive-offload": "on", "large-receive-offload": "off", "rx-gro-hw": "off"}}
        self.fixed = {"large-receive-offload", "rx-gro-hw"}
        self.writes = []

    def __call__(self, argv, **_options):
        if not self.installed:
            raise FileNotFoundError(2, "No such file or directory", "ethtool")
        words = [word for word in argv[1:] if word != "--json"]
        if not self.has:
            return 1, "", "netlink error: Operation not supported\n"
        if words[0].islower():
            if "--json" not in argv:
                return 0, self._text(*words), ""
            return (0, self._json(*words), "") if self.version == "json" else (1, "", "ethtool: bad command line argument(s)\n")
        return self._write(words)

    def _write(self, words):
        option, interface, rest = words[0].lower(), words[1], words[2:]
        changed = dict(zip(rest[::2], rest[1::2]))
        self.writes.append(words)
        if int(changed.get("rx-usecs", 0)) > 1000:
            return 1, "", "netlink error: Invalid argument\n"
        for name, value in changed.items():
            self.now[option][name] = int(value) // self.rounds * self.rounds if option == "-g" else int(value) if value.isdigit() else value
        assert interface == "eth0"
        return 0, "", ""

    def _json(self, option, interface):
        if option == "-k":
            rows = {name: {"active": value == "on", "fixed": name in self.fixed, "requested": value == "on"}
                    for name, value in self.now[option].items()}
        else:
            rows = {f"{name}-max": value for name, value in self.most.get(option, {}).items()}
            names = {"adaptive-rx": "rx", "adaptive-tx": "tx"}
            rows.update({names.get(name, name): {"on": True, "off": False}.get(value, value) for name, value in self.now[option].items()
                         if value != "n/a"})
        return json.dumps([{"ifname": interface, **rows}])

    def _text(self, option, interface):
        now = self.now[option]
        if option == "-k":
            return f"Features for {interface}:\n" + "".join(
                f"{name}: {value}{' [fixed]' if name in self.fixed else ''}\n" for name, value in now.items())
        if option == "-c":
            rest = "".join(f"{name}: {value}\n" for name, value in now.items() if "adaptive" not in name)
            return f"Coalesce parameters for {interface}:\nAdaptive RX: {now['adaptive-rx']}  TX: n/a\n{rest}\nCQE mode RX: n/a  TX: n/a\n"
        title = {"combined": "Combined", "rx": "RX", "tx": "TX"}

        def rows(values):
            return "".join(f"{title[name]}:\t\t{value}\n" for name, value in values.items()) + "RX Mini:\tn/a\n"

        return f"Parameters for {interface}:\nPre-set maximums:\n{rows(self.most[option])}Current hardware settings:\n{rows(now)}"


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    for name in ("eth0/napi_defer_hard_irqs", "eth0/gro_flush_timeout", "lo/mtu"):
        host.path(f"{_NET}/{name}").parent.mkdir(parents=True, exist_ok=True)
        host.path(f"{_NET}/{name}").write_text("0\n")
    return host


def _everything(host):
    return {str(path): path.read_text() for path in host.root.rglob("*") if path.is_file()}


def _apply(host, card, *interfaces, check_mode=False):
    plan = Plan(check_mode)
    guard = {"service": "hft_system.service", "config": "/x", "api_token": None, "allow_disruption": False}
    empty = {"channels": {}, "rings": {}, "coalescing": {}, "offloads": {}, "napi_defer_hard_irqs": None, "gro_flush_timeout_ns": None}
    params = {"interfaces": [{**empty, **one} for one in interfaces], "guard": guard}
    return {**apply(params, host, card, plan), **plan.result()}


def _status(result):
    return {item["name"]: item["status"] for item in result["items"]}


@pytest.mark.parametrize("version", ["text", "json"])
def test_card_becomes_as_wanted_in_one_call_for_each_group_and_stays_so(host, version):
    card = Card(version)
    result = _apply(host, card, _WANTED)
    assert card.writes == [["-L", "eth0", "combined", "2"], ["-G", "eth0", "rx", "4096", "tx", "512"],
                           ["-C", "eth0", "adaptive-rx", "off", "rx-usecs", "0"], ["-K", "eth0", "generic-receive-offload", "off"]]
    assert host.read(f"{_NET}/eth0/gro_flush_timeout").strip() == "200000"
    assert set(_status(result).values()) == {"applied"}
    assert [(item["persisted"], item["live"]) for item in result["items"] if item["name"] == "eth0 rings rx"] == [("4096", "4096")]
    card.writes.clear()
    assert not _apply(host, card, _WANTED)["changed"]
    assert card.writes == []


def test_unit_sets_the_same_before_the_network_comes_up(host):
    _apply(host, Card(), _WANTED)
    unit = host.read(_UNIT)
    assert [line for line in unit.splitlines() if line.startswith("ExecStart")] == [
        "ExecStart=-ethtool -L eth0 combined 2", "ExecStart=-ethtool -G eth0 rx 4096 tx 512",
        "ExecStart=-ethtool -C eth0 adaptive-rx off rx-usecs 0",
        "ExecStart=-ethtool -K eth0 generic-receive-offload off large-receive-offload off",
        "ExecStart=-/bin/sh -c 'echo 2 > /sys/class/net/eth0/napi_defer_hard_irqs'",
        "ExecStart=-/bin/sh -c 'echo 200000 > /sys/class/net/eth0/gro_flush_timeout'"]
    assert "After=sys-subsystem-net-devices-eth0.device\n" in unit
    assert "Before=network-pre.target" in unit


def test_names_of_devices_are_escaped_as_systemd_does(host):
    host.path(f"{_NET}/br-lan.5").mkdir(parents=True)
    _apply(host, Card(), {"name": "br-lan.5", "rings": {"rx": 256}})
    assert r"After=sys-subsystem-net-devices-br\x2dlan.5.device" in host.read(_UNIT)


@pytest.mark.parametrize("seed", range(30))
def test_what_check_mode_plans_is_what_the_run_does(host, seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    card = Card(dice.choice(["text", "json"]), has=dice.random() < 0.9)
    if dice.random() < 0.5:
        _apply(host, card, _WANTED)
    wanted = {"name": "eth0", **{key: value for key, value in _WANTED.items() if key != "name" and dice.random() < 0.6}}
    if dice.random() < 0.5:
        wanted["rings"] = {"rx": dice.randrange(64, 4096)}
    interfaces = [wanted] if dice.random() < 0.9 else []
    before = (_everything(host), json.dumps(card.now))
    planned = _apply(host, card, *interfaces, check_mode=True)
    assert (_everything(host), json.dumps(card.now)) == before
    done = _apply(host, card, *interfaces)
    assert done["differences"] == planned["differences"]
    assert not _apply(host, card, *interfaces)["changed"]


def test_driver_without_settings_is_not_applicable_in_its_own_words(host):
    result = _apply(host, Card(has=False), {"name": "eth0", "rings": {"rx": 256}, "offloads": {"gro": False}})
    assert [item["reason"] for item in result["items"]] == [
        "ethtool -g eth0: netlink error: Operation not supported", "ethtool -k eth0: netlink error: Operation not supported"]
    assert host.read(_UNIT) is None


def test_what_the_driver_lacks_or_keeps_is_not_applicable(host):
    wanted = {"name": "eth0", "coalescing": {"rx-usecs-irq": 1}, "offloads": {"lro": True}, "rings": {"rx-mini": "max"}}
    result = _apply(host, Card(), wanted)
    assert [(item["name"], item["reason"]) for item in result["items"]] == [
        ("eth0 rings rx-mini", "EOPNOTSUPP: the driver has no rings rx-mini; it has rx, tx"),
        ("eth0 coalescing rx-usecs-irq", "EOPNOTSUPP: the driver has no coalescing rx-usecs-irq; it has adaptive-rx, rx-frames, rx-usecs"),
        ("eth0 offloads large-receive-offload", "EOPNOTSUPP: the driver keeps large-receive-offload off (fixed)")]
    assert not result["changed"]


def test_host_without_ethtool_plans_the_unit_and_says_so(host):
    card = Card()
    card.installed = False
    result = _apply(host, card, {"name": "eth0", "rings": {"rx": 512}}, check_mode=True)
    assert result["items"][0]["reason"] == "ENOENT: ethtool is not installed"
    assert [one["path"] for one in result["differences"]] == [_UNIT]


def test_kernel_without_busy_polling_files_is_not_applicable(host):
    host.path(f"{_NET}/eth0/napi_defer_hard_irqs").unlink()
    result = _apply(host, Card(), {"name": "eth0", "napi_defer_hard_irqs": 2})
    assert result["items"][0]["reason"] == "ENOENT: /sys/class/net/eth0/napi_defer_hard_irqs"


def test_length_that_the_card_rounds_is_put_back(host):
    card = Card(rounds=100)
    card.now["-g"] = {"rx": 200, "tx": 200}
    with pytest.raises(HostError, match="eth0 rings rx: wanted 512, but the card made it 500"):
        _apply(host, card, {"name": "eth0", "rings": {"rx": 512}})
    assert card.now["-g"]["rx"] == 200
    assert host.read(_UNIT) is None


def test_refused_value_restores_card_and_unit(host):
    card = Card()
    before = (_everything(host), json.dumps(card.now))
    with pytest.raises(HostError, match=r"^ethtool -C eth0 rx-usecs 5000: netlink error: Invalid argument$"):
        _apply(host, card, {"name": "eth0", "rings": {"rx": 512}, "coalescing": {"rx-usecs": 5000}})
    assert (_everything(host), json.dumps(card.now)) == before


def test_what_was_changed_by_hand_is_the_only_drift(host):
    card = Card()
    _apply(host, card, _WANTED)
    card.now["-c"]["rx-usecs"] = 3
    result = _apply(host, card, _WANTED, check_mode=True)
    assert [(one["path"], one["before"], one["after"]) for one in result["differences"]] == [("eth0 coalescing rx-usecs", "3", "0")]
    assert [name for name, status in _status(result).items() if status == "drifted"] == ["eth0 coalescing rx-usecs"]


def test_no_cards_removes_the_unit_and_says_what_the_boot_brings(host):
    card = Card()
    _apply(host, card, _WANTED)
    result = _apply(host, card)
    assert host.read(_UNIT) is None
    assert result["reboot_reasons"] == ["network cards: they keep what they have until the next boot"]
    assert _apply(host, card)["items"] == []


@pytest.mark.parametrize(("wanted", "said"), [
    ({"name": "eth9"}, "interfaces: eth9: no such network interface; this host has eth0, lo"),
    ({"name": "eth0", "rings": {"rx": 8192}}, "interfaces: eth0: rings: rx 8192: beyond what the card can; its maximum is 4096"),
    ({"name": "eth0", "rings": {"rx": "many"}}, "interfaces: eth0: rings: rx 'many': expected a whole number up to 4096, or max"),
    ({"name": "eth0", "channels": {"combined": True}},
     "interfaces: eth0: channels: combined True: expected a whole number up to 4, or max"),
    ({"name": "eth0", "coalescing": {"rx-usecs": "fast"}},
     "interfaces: eth0: coalescing: rx-usecs 'fast': expected a whole number, or true or false for adaptive-rx and adaptive-tx"),
    ({"name": "eth0", "offloads": {"gro": 1}}, "interfaces: eth0: offloads: gro 1: expected true or false"),
    ({"name": "eth0", "offloads": {"grow": False}},
     "interfaces: eth0: offloads: grow: no such feature; ethtool -k eth0 lists those it has"),
    ({"name": "eth0", "gro_flush_timeout_ns": -1}, "interfaces: eth0: gro_flush_timeout_ns -1: expected a number from 0 to 1000000000"),
])
@pytest.mark.parametrize("version", ["text", "json"])
def test_input_that_cannot_be_is_refused_and_nothing_is_written(host, version, wanted, said):
    card, before = Card(version), _everything(host)
    with pytest.raises(HostError) as wrong:
        _apply(host, card, wanted)
    assert str(wrong.value) == said
    assert card.writes == []
    assert _everything(host) == before


def test_card_that_is_listed_twice_is_refused(host):
    with pytest.raises(HostError, match="interfaces: eth0: listed twice; keep one"):
        _apply(host, Card(), {"name": "eth0"}, {"name": "eth0"})


def test_host_that_trades_keeps_its_cards(host, monkeypatch):
    def trades(_guard, changes, _host, _run):
        raise HostError(f"refused, nothing was changed: engine e1 holds s1; would change {changes[0]}")

    monkeypatch.setattr(_host_guard, "refuse_while_trading", trades)
    card, before = Card(), _everything(host)
    with pytest.raises(HostError, match="would change eth0 channels combined"):
        _apply(host, card, _WANTED)
    assert (card.writes, _everything(host)) == ([], before)
    assert "engine e1 holds s1" in _apply(host, card, _WANTED, check_mode=True)["refused"]
