# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade of a real cluster, from packages that differ in their version alone: the order, what is kept, what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

testinfra_hosts = ["mol-01"]

_ROOT = Path(__file__).parents[2]
_MEMBERS = ("mol-01", "mol-02", "mol-03")
_PACKAGES = ("postgresql-17", "postgresql-17-timescaledb")
_LIBRARIES = "/usr/lib/postgresql/17/lib"
# A source of packages on the host itself: those installed, under a later version.
_OFFER = """
set -e
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


def _there(host, name: str):
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _upgrade(*options: str) -> subprocess.CompletedProcess[str]:
    argv = ["ansible-playbook", f"--inventory={_ROOT}/molecule/inventory", "-e", f"@{_ROOT}/molecule/timescaledb/variables.yml",
            "-e", "database_hosts=mol-01:mol-02:mol-03", *options, str(_ROOT / "playbooks/database_upgrade.yml")]
    return subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def _started(host) -> dict[str, str]:
    ask = "systemctl show -P ActiveEnterTimestampMonotonic postgresql@17-main.service"
    return {name: _there(host, name).check_output(ask) for name in _MEMBERS}


@pytest.mark.long
def test_members_that_are_offered_the_same_are_upgraded_standbys_first(host) -> None:
    assert "every member has it and runs it" in _said(_upgrade("--check")), "nothing to do at first"
    for name in _MEMBERS:
        suffix = "+later2" if name == "mol-03" else "+later1"
        _there(host, name).check_output(_OFFER.format(names=" ".join(_PACKAGES), suffix=suffix))
    before = _started(host)
    refused = _upgrade()
    assert refused.returncode == 2
    assert "+later2; members of one cluster run one version" in _said(refused)
    assert _started(host) == before

    _there(host, "mol-03").check_output("rm -r /srv/offer")
    _there(host, "mol-03").check_output(_OFFER.format(names=" ".join(_PACKAGES), suffix="+later1"))
    planned = _upgrade("--check", "-e", "database_upgrade_restart_primary=true")
    assert planned.returncode == 0, planned.stdout
    assert "mol-02, mol-03, mol-01 one after the other, then the extension" in _said(planned)
    assert _started(host) == before

    # A later version of the extension has another library: of the one that the catalog names, the package brings none.
    version = host.check_output("basename $(ls %s/timescaledb-[0-9]*.so) .so", _LIBRARIES).split("-")[1]
    asked = _upgrade()
    assert asked.returncode == 2
    assert "the standbys are done, mol-01 is the primary and must be restarted; mol-02 or mol-03 can take over" in _said(asked)
    after = _started(host)
    assert [name for name in _MEMBERS if after[name] != before[name]] == ["mol-02", "mol-03"]
    assert "+later1" in _there(host, "mol-02").check_output("dpkg-query -f '${Version}' -W postgresql-17-timescaledb")

    done = _upgrade("-e", "database_upgrade_restart_primary=true")
    assert done.returncode == 0, done.stdout
    assert f"the catalog names {version}" in _said(done)
    assert _started(host)["mol-01"] != before["mol-01"]
    for name in _MEMBERS:
        assert _there(host, name).check_output("ls %s | grep -c 'timescaledb-[0-9]'", _LIBRARIES) == "1"
        assert not _there(host, name).file(f"/var/lib/postgresql/kept-libraries/timescaledb-{version}.so").exists
    assert "changed=0" in _said(_upgrade()), "again changes nothing"
