# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade of a real cluster, from packages that differ in their version alone: the order, what is kept, what is refused; and the
changes of primary that come with it."""

from __future__ import annotations

import subprocess

import pytest

testinfra_hosts = ["mol-01"]

_MEMBERS = ("mol-01", "mol-02", "mol-03")
_PACKAGES = ("postgresql-17", "postgresql-17-timescaledb")
_LIBRARIES = "/usr/lib/postgresql/17/lib"
# A source of packages on the host itself: those installed, under a later version.
_OFFER = """
set -e
rm -rf /srv/offer /etc/apt/sources.list.d/offer.list && apt-get update -q >/dev/null
mkdir -p /srv/offer && cd /srv/offer
for name in {names}; do
    apt-get download -q "$name" >/dev/null
    dpkg-deb -R "$name"_*.deb tree
    sed -i "s/^Version: .*/&{suffix}/" tree/DEBIAN/control
    dpkg-deb -b -Znone tree "later-$name.deb" >/dev/null
    rm -r tree "$name"_*.deb
done
for file in later-*.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done > Packages
echo 'deb [trusted=yes] file:/srv/offer ./' > /etc/apt/sources.list.d/offer.list
apt-get update -q >/dev/null
"""


# The same, as the vendor of the extension names it.
_RENAMED = _OFFER.format(names="postgresql-17-timescaledb", suffix="+vendor").replace(
    "dpkg-deb -b", "sed -i 's/^Package: .*/Package: timescaledb-2-postgresql-17/' tree/DEBIAN/control\n    dpkg-deb -b")


def _there(host, name: str):
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def _sql(host, query: str) -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -c %s", query)


def _followers(host) -> list[str]:
    return _sql(host, "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1").splitlines()


def _started(host) -> dict[str, str]:
    ask = "systemctl show -P ActiveEnterTimestampMonotonic postgresql@17-main.service"
    return {name: _there(host, name).check_output(ask) for name in _MEMBERS}


@pytest.mark.long
def test_packages_come_from_a_mirror_of_the_site(host, play) -> None:
    there = _there(host, "mol-build")
    there.check_output(_RENAMED)
    there.check_output("rm /etc/apt/sources.list.d/offer.list && apt-get update -q >/dev/null")
    given = {"timescaledb_repository": "Types: deb\nURIs: file:/srv/offer\nSuites: ./\nTrusted: yes\n",
             "timescaledb_extension_package": "timescaledb-2-postgresql-17"}
    install = {"ansible.builtin.import_role": {"name": "hft.ops.timescaledb", "tasks_from": "install"}, "vars": given}
    done = play("mol-build", [install])
    assert done.returncode == 0, done.stdout
    assert there.check_output("dpkg-query -f '${Version}' -W timescaledb-2-postgresql-17").endswith("+vendor")
    assert there.check_output("ls %s | grep -c 'timescaledb-[0-9]'", _LIBRARIES) == "1"
    assert not there.file("/var/lib/postgresql/17/main").exists
    assert "changed=0" in play("mol-build", [install]).stdout


@pytest.mark.long
def test_members_that_are_offered_the_same_are_upgraded_standbys_first(host, database_playbook) -> None:
    def upgrade(*options: str) -> subprocess.CompletedProcess[str]:
        return database_playbook("database_upgrade", *options)

    assert "every member has it and runs it" in _said(upgrade("--check")), "nothing to do at first"
    for name in _MEMBERS:
        suffix = "+later2" if name == "mol-03" else "+later1"
        _there(host, name).check_output(_OFFER.format(names=" ".join(_PACKAGES), suffix=suffix))
    before = _started(host)
    refused = upgrade()
    assert refused.returncode == 2
    assert "+later2; members of one cluster run one version" in _said(refused)
    assert _started(host) == before

    _there(host, "mol-03").check_output(_OFFER.format(names=" ".join(_PACKAGES), suffix="+later1"))
    planned = upgrade("--check", "-e", "database_upgrade_restart_primary=true")
    assert planned.returncode == 0, planned.stdout
    assert "mol-02, mol-03, mol-01 one after the other, then the extension" in _said(planned)
    assert _started(host) == before

    # A later version of the extension has another library: of the one that the catalog names, the package brings none.
    version = host.check_output("basename $(ls %s/timescaledb-[0-9]*.so) .so", _LIBRARIES).split("-")[1]
    asked = upgrade()
    assert asked.returncode == 2
    assert "the standbys came first, mol-01 is the primary and must be restarted too; mol-02 or mol-03 can take over" in _said(asked)
    after = _started(host)
    assert [name for name in _MEMBERS if after[name] != before[name]] == ["mol-02", "mol-03"]
    assert "+later1" in _there(host, "mol-02").check_output("dpkg-query -f '${Version}' -W postgresql-17-timescaledb")

    moved = database_playbook("database_switchover", "-e", "database_to=mol-02")
    assert moved.returncode == 0, moved.stdout
    assert _followers(_there(host, "mol-02")) == ["mol-01", "mol-03"]
    done = upgrade()
    assert done.returncode == 0, done.stdout
    assert f"the catalog names {version}" in _said(done)
    assert _started(host)["mol-01"] != before["mol-01"]
    for name in _MEMBERS:
        assert _there(host, name).check_output("ls %s | grep -c 'timescaledb-[0-9]'", _LIBRARIES) == "1"
        assert not _there(host, name).file(f"/var/lib/postgresql/kept-libraries/timescaledb-{version}.so").exists
    again = upgrade()
    assert "every member has it and runs it" in _said(again), again.stdout

    _there(host, "mol-02").check_output("systemctl stop postgresql@17-main.service")
    moved = database_playbook("database_failover")
    assert moved.returncode == 0, moved.stdout
    taker = "mol-01" if "mol-01 is the primary on timeline" in _said(moved) else "mol-03"
    slots = _sql(_there(host, taker), "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots")
    assert slots == " ".join(name.replace("-", "_") for name in _MEMBERS if name != taker)
    back = database_playbook("database_rejoin")
    assert back.returncode == 0, back.stdout
    assert _followers(_there(host, taker)) == [name for name in _MEMBERS if name != taker]
