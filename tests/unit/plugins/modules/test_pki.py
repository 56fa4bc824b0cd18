# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real openssl signs here: authority and host are two directories."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import time

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._openssl import DAY_S, OpenSSL, subject_names
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl
from ansible_collections.hft.ops.plugins.modules import pki_authority, pki_certificates

_WANTED = {"name": "api", "common_name": "hft-db-01", "names": ["10.0.0.21", "2001:db8::1"], "certificate": "/tls/host.crt",
           "key": "/tls/host.key", "authority": "/tls/authority.crt", "key_mode": "0600", "days": 365, "reload_units": []}


def _run(argv: list[str], data: str | None = None, environ_update: dict | None = None, **_options: object) -> tuple[int, str, str]:
    done = subprocess.run(argv, input=data, env={**os.environ, **(environ_update or {})}, capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


class Site:
    """An authority and one host."""

    def __init__(self, root, systemd, passphrase: str = "") -> None:
        self.root = root
        self.systemctl = Systemctl(systemd)
        self.passphrase = passphrase
        identity = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
        self.wanted = {**_WANTED, **identity}
        (root / "host").mkdir(exist_ok=True)

    def authority(self, requests: list[dict] | None = None, check_mode: bool = False, **more: object) -> tuple[dict, Plan]:
        plan = Plan(check_mode)
        given = {"directory": "/pki", "common_name": "authority", "days": 3650, "create": True, "passphrase": self.passphrase or None,
                 "requests": requests or [], **more}
        (self.root / "control").mkdir(exist_ok=True)
        return pki_authority.apply(given, Host(self.root / "control"), OpenSSL(_run, self.passphrase), plan), plan

    def certificates(self, authority: str, issued: dict | None = None, check_mode: bool = False, renew_days: int = 30,
                     **more: object) -> tuple[dict, Plan]:
        plan = Plan(check_mode)
        wanted = [pki_certificates.Wanted({**self.wanted, **more}, authority, Host(self.root / "host"), OpenSSL(_run))]
        params = {"issued": issued, "renew_days": renew_days}
        return pki_certificates.apply(wanted, params, self.systemctl, plan), plan

    def round(self, **more: object) -> tuple[list[str], list[dict]]:
        """All four calls of the role; the paths that differed, and the requests."""
        made, first = self.authority()
        due, second = self.certificates(made["authority"], **more)
        requests = [{key: value for key, value in one.items() if key != "reason"} for one in due["requests"]]
        signed = self.authority(requests, create=False)[0]["issued"] if requests else {}
        _done, third = self.certificates(made["authority"], signed, **more)
        return [difference.path for plan in (first, second, third) for difference in plan.differences], due["requests"]


@pytest.fixture
def site(tmp_path, systemd) -> Site:
    return Site(tmp_path, systemd)


@pytest.fixture(scope="module")
def settled_tree(tmp_path_factory):
    """Made once: openssl is started some twenty times on the way."""
    root = tmp_path_factory.mktemp("settled")
    Site(root, None).round()
    return root


@pytest.fixture
def settled(settled_tree, tmp_path, systemd) -> Site:
    """An authority and a host that has its certificate."""
    shutil.copytree(settled_tree, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path, systemd)


def test_a_bare_host_gets_its_certificate_and_the_second_round_changes_nothing(site) -> None:
    changed, requests = site.round()
    assert changed == ["/pki/authority.key", "/pki/authority.crt", "/tls/host.key", "/tls/authority.crt", "/tls/host.crt"]
    assert [one["reason"] for one in requests] == ["not there"]
    assert site.round() == ([], [])
    key = site.root / "host/tls/host.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (site.root / "control/pki").stat().st_mode & 0o777 == 0o700


def test_check_mode_lists_what_the_round_changes(site) -> None:
    _made, first = site.authority(check_mode=True)
    due, second = site.certificates("", check_mode=True)
    assert due["requests"][0]["request"] == ""
    signed, nothing = site.authority([{"name": "api", "request": "", "names": ["a"], "days": 365}], check_mode=True, create=False)
    _done, third = site.certificates("", signed["issued"], check_mode=True)
    listed = [difference.path for plan in (first, second, nothing, third) for difference in plan.differences]
    assert listed == site.round()[0]


def test_the_certificate_is_good_for_its_names_and_no_authority(settled) -> None:
    said = _run(["openssl", "x509", "-in", str(settled.root / "host/tls/host.crt"), "-noout", "-text"])[1]
    for word in ("CN = hft-db-01", "DNS:hft-db-01", "IP Address:10.0.0.21", "CA:FALSE", "TLS Web Server Authentication",
                 "TLS Web Client Authentication"):
        assert word in said.replace("CN=", "CN = ")


@pytest.mark.parametrize(("more", "reason"), [
    ({"renew_days": 364}, ""), ({"renew_days": 366}, "ends in 365.0 days"), ({"names": ["10.0.0.22"]}, "for DNS:hft-db-01"),
])
def test_a_certificate_is_renewed_in_time_and_when_its_names_change(settled, more: dict, reason: str) -> None:
    key = (settled.root / "host/tls/host.key").read_text()
    authority = (settled.root / "control/pki/authority.crt").read_text()
    due, _plan = settled.certificates(authority, **more)
    assert [one["reason"][:len(reason)] for one in due["requests"]] == ([reason] if reason else [])
    assert (settled.root / "host/tls/host.key").read_text() == key


def test_a_removed_key_brings_a_new_key_and_certificate(settled) -> None:
    (settled.root / "host/tls/host.key").unlink()
    assert settled.round()[0] == ["/tls/host.key", "/tls/host.crt"]


def test_a_new_authority_replaces_every_certificate(settled) -> None:
    (settled.root / "control/pki").rename(settled.root / "control/former")
    changed, requests = settled.round()
    assert requests[0]["reason"] == "another authority's"
    assert "/tls/host.crt" in changed
    assert "/tls/host.key" not in changed


def test_units_that_run_are_reloaded_after_a_replacement(site, systemd) -> None:
    systemd.add("pgbackrest.service")
    systemd.add("idle.service", active="inactive")
    calls: list[tuple[str, ...]] = []

    class Manager:
        def __call__(self, argv: list[str]) -> tuple[int, str, str]:
            if "show" in argv:
                return systemd(argv)
            calls.append(tuple(argv[2:]))
            return 0, "", ""

    site.systemctl = Systemctl(Manager())
    changed, _requests = site.round(reload_units=["pgbackrest.service", "idle.service"])
    assert changed[-1] == "pgbackrest.service"
    assert calls == [("reload-or-restart", "--", "pgbackrest.service")]


def test_a_certificate_of_another_key_is_not_put_in_place(settled) -> None:
    before = (settled.root / "host/tls/host.crt").read_text()
    made, _plan = settled.authority()
    openssl = OpenSSL(_run)
    stranger = settled.root / "stranger.key"
    stranger.write_text(openssl.new_key())
    request = openssl.request(str(stranger), "hft-db-01", ("DNS:hft-db-01",))
    signed, _plan = settled.authority([{"name": "api", "request": request, "names": ["hft-db-01"], "days": 9}])
    with pytest.raises(HostError, match="belongs to another key"):
        settled.certificates(made["authority"], signed["issued"])
    assert (settled.root / "host/tls/host.crt").read_text() == before


def test_a_passphrase_protects_the_authority_and_must_fit(tmp_path, systemd) -> None:
    site = Site(tmp_path, systemd, "a passphrase of the test")
    site.round()
    assert "ENCRYPTED" in (tmp_path / "control/pki/authority.key").read_text()
    site.passphrase = "another passphrase"
    request = OpenSSL(_run).request(str(tmp_path / "host/tls/host.key"), "x", ("DNS:x",))
    with pytest.raises(HostError, match="the passphrase of the authority does not fit"):
        site.authority([{"name": "api", "request": request, "names": ["x"], "days": 9}])


def test_an_authority_without_its_key_is_never_replaced(site) -> None:
    site.authority()
    (site.root / "control/pki/authority.key").unlink()
    with pytest.raises(HostError, match="bring the key back"):
        site.authority()


def test_a_certificate_never_outlives_its_authority(site) -> None:
    made, _plan = site.authority(days=100)
    due, _plan = site.certificates(made["authority"])
    request = {key: value for key, value in due["requests"][0].items() if key != "reason"}
    signed, _plan = site.authority([request])
    assert OpenSSL(_run).read(signed["issued"]["api"]).not_after <= time.time() + 100 * DAY_S


def test_addresses_have_one_form() -> None:
    assert subject_names(["b", "2001:DB8:0:0:0:0:0:1", "10.0.0.1", "b"]) == ("DNS:b", "IP:10.0.0.1", "IP:2001:db8::1")
    with pytest.raises(HostError, match="expected a host name or an address"):
        subject_names(["a,IP:10.0.0.1"])


@pytest.mark.parametrize(("change", "said"), [({"key_mode": "0644"}, "leave others out"), ({"days": 0}, "expected 1 or more")])
def test_wrong_input_is_named(change: dict, said: str) -> None:
    with pytest.raises(HostError, match=said):
        pki_certificates.refuse_bad_input([{**_WANTED, **change}])
    with pytest.raises(HostError, match="written by two of them"):
        pki_certificates.refuse_bad_input([_WANTED, {**_WANTED, "name": "b"}])
