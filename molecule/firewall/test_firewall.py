# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches the host and whom it reaches, asked over the network; rules that cut something off, which go away by themselves."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import time

import pytest

testinfra_hosts = ["mol-01"]

_ADDRESS, _PEER = "10.213.78.11", "10.213.78.12"
# As in converge.yml.
_VARIABLES = {
    "firewall_services": [{"name": "ssh", "ports": ["22"], "sources": ["10.213.78.1", "2001:db8::/32"]},
                          {"name": "orders", "ports": ["9001-9002"], "sources": [_PEER]}],
    "firewall_outgoing": [{"name": "the venue", "ports": ["9003"]}, {"name": "ssh", "ports": ["22"], "destinations": [_PEER]}],
    "firewall_sessions": [{"host": _PEER, "port": 22}],
    "firewall_learn_s": 1,
    "firewall_return_after_s": 30,
}
# Reached by nobody: the control node has another address.
_NOBODY = {"firewall_services": [{"name": "ssh", "ports": ["22"], "sources": ["192.0.2.1"]}]}
_FEED = ("systemd-run --unit=molecule-feed --collect --property=StandardOutput=file:/run/feed"
         " bash -c 'exec cat </dev/tcp/10.213.78.1/9003'")
_SCAN = f"""for port in 22 80 5432 8080 9001 9090 9100 9464
do timeout 1 bash -c "</dev/tcp/{_ADDRESS}/$port" 2>/dev/null && echo $port
done
true"""
_ROLE = [{"name": "Rules", "ansible.builtin.import_role": {"name": "hft.ops.firewall"}}]


@pytest.fixture
def role(play):
    """Run the role again with these variables changed."""
    def run(**changed: object):
        return play("mol-01", _ROLE, "--extra-vars", json.dumps({**_VARIABLES, **changed}))

    return run


@pytest.fixture
def listener(host):
    """Something that listens on port 9001 of the host."""
    host.check_output("systemd-run --unit=molecule-listener --collect python3 -m http.server 9001")
    yield
    host.check_output("systemctl stop molecule-listener")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((_ADDRESS, port), timeout=2):
            return True
    except OSError:
        return False


def _asked(play, name: str, address: str, port: int) -> bool:
    """Whether a host reaches an address."""
    task = {"name": "Ask", "ansible.builtin.wait_for": {"host": address, "port": port, "timeout": 2}}
    return play(name, [task]).returncode == 0


def _changed(done) -> bool:
    assert done.returncode == 0, done.stdout + done.stderr
    return "changed=0" not in done.stdout


def test_a_host_is_reached_by_those_that_may(play, listener):
    assert _asked(play, "mol-02", _ADDRESS, 9001)
    assert not _asked(play, "mol-03", _ADDRESS, 9001)
    assert not _answers(9001)


def test_a_host_that_may_nothing_sees_nothing(play):
    done = play("mol-03", [{"name": "Scan", "ansible.builtin.shell": _SCAN, "args": {"executable": "/bin/bash"}, "register": "seen"},
                           {"name": "Nothing", "ansible.builtin.assert": {"that": "seen.stdout == ''"}}])
    assert done.returncode == 0, done.stdout


def test_what_is_refused_is_counted_by_the_kernel_and_told(host):
    assert 'log prefix "hft_firewall refused: "' in host.check_output("nft list table inet hft_firewall")


def test_a_host_opens_what_it_may_and_nothing_else(play):
    assert _asked(play, "mol-01", _PEER, 22)
    assert not _asked(play, "mol-01", "10.213.78.13", 22)


def test_the_next_boot_brings_the_rules_before_the_network(host):
    assert host.check_output("systemctl is-enabled hft-firewall") == "enabled"
    assert "network-pre.target" in host.check_output("systemctl show -p Before hft-firewall")


def test_rules_that_are_flushed_come_back_and_tables_of_others_stay(host, role):
    host.check_output("nft add table inet of_others")
    host.check_output("nft delete table inet hft_firewall")
    assert _changed(role())
    assert "policy drop" in host.check_output("nft list table inet hft_firewall")
    assert "of_others" in host.check_output("nft list tables")
    assert not _changed(role())


def test_a_rule_that_was_added_by_hand_goes(host, role):
    host.check_output("nft add rule inet hft_firewall incoming tcp dport 4444 accept")
    assert _changed(role())
    assert "4444" not in host.check_output("nft list table inet hft_firewall")


@pytest.mark.parametrize("wrong", [
    {"name": "ssh", "ports": ["22 accept; flush ruleset"]},
    {"name": "x\"; policy accept; #", "ports": ["22"]},
    {"name": "ssh", "ports": ["22"], "sources": ["10.0.0.0/8 }; accept #"]},
    {"name": "ssh", "ports": ["22"], "sources": []},
    {"name": "ssh", "ports": ["22\n"]},
], ids=["ports", "name", "sources", "nobody", "line"])
def test_what_would_write_a_rule_of_its_own_is_refused(host, role, wrong):
    before = host.check_output("nft list table inet hft_firewall")
    done = role(firewall_services=[wrong])
    assert done.returncode == 2
    assert "expected a name of letters and digits" in " ".join(done.stdout.split())
    assert host.check_output("nft list table inet hft_firewall") == before


def test_rules_that_the_kernel_does_not_understand_change_nothing(host, role):
    before = host.check_output("nft list table inet hft_firewall; sha256sum /etc/hft_firewall.nft")
    done = role(firewall_services=[{"name": "ssh", "ports": ["22"], "sources": ["10.0.0.300"]}])
    assert done.returncode == 2
    assert host.check_output("nft list table inet hft_firewall; sha256sum /etc/hft_firewall.nft") == before


def test_a_session_from_before_goes_on_when_the_rules_come(host, role):
    """The far end alone speaks, as a market data feed does, and no rule would let it in anew."""
    assert _changed(role(firewall_state="absent"))
    assert host.run("nft list table inet hft_firewall").rc != 0
    with socket.create_server(("10.213.78.1", 9003)) as server:
        server.settimeout(20)
        host.check_output(_FEED)
        feed, _ = server.accept()
        with feed, concurrent.futures.ThreadPoolExecutor() as pool:
            rules_come = pool.submit(role)
            ticks = 0
            while not rules_come.done():
                ticks += feed.send(b".")
                time.sleep(0.2)
            assert _changed(rules_come.result())
            feed.send(b"last")
            deadline = time.monotonic() + 5
            while not host.check_output("cat /run/feed").endswith("last"):
                assert time.monotonic() < deadline, f"cut after {host.file('/run/feed').size} of {ticks} bytes"
                time.sleep(0.2)


@pytest.fixture
def come_back(host):
    """Wait until the rules from before the test are back, in the file and in the kernel."""
    said = "nft --stateless list table inet hft_firewall; sha256sum /etc/hft_firewall.nft"
    before = host.check_output(said)

    def run() -> None:
        deadline = time.monotonic() + 60
        while not _answers(22) or host.check_output(said) != before:
            assert time.monotonic() < deadline, "the former rules did not come back"
            time.sleep(1)

    return run


@pytest.mark.parametrize(("changed", "said"), [
    (_NOBODY, "timed out"),
    ({"firewall_outgoing": [{"name": "nothing", "ports": ["1"]}]}, "no answer any more from 10.213.78.12:22"),
], ids=["control node", "session"])
def test_rules_that_cut_something_off_go_away_by_themselves(role, come_back, changed, said):
    done = role(**changed)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())
    come_back()
    assert not _changed(role())


def test_a_connection_from_before_the_change_confirms_nothing(host, play):
    """SSH keeps the first task's connection for the others."""
    change = {"files": {"/etc/molecule-network": "new"}, "apply": [["true"]], "apply_after_s": 1, "return_after_s": 10}
    done = play("mol-01", [{"name": "Change", "hft.ops.network_config": change},
                           {"name": "Wait", "ansible.builtin.wait_for": {"timeout": 3}},
                           {"name": "Confirm", "hft.ops.network_config": {"state": "confirmed"}}])
    assert done.returncode == 2
    assert "this connection is older than the change, which proves nothing" in " ".join(done.stdout.split())
    host.check_output("for i in $(seq 1 150); do [ -e /etc/molecule-network ] || exit 0; sleep 0.1; done; exit 1")


def test_exposure_of_the_unit(host):
    host.check_output("systemd-analyze security --no-pager --threshold=20 hft-firewall.service")
