# SPDX-License-Identifier: GPL-3.0-or-later
"""Idempotence is real: what was changed by hand, and only that, is reported and repaired."""

from __future__ import annotations

from conftest import api, on

from lab import playbook


def test_hand_edits_are_reported_and_repaired(demo: dict) -> None:
    on("hft-db-01", "echo '# edited by hand' >> /etc/sysctl.d/90-hft.conf")
    on("hft-prod-02", "systemctl stop prometheus-node-exporter.service")
    on("hft-mon-01", "apt-get remove -y -q chrony")
    # That all of site.yml changes nothing on a host as it should be is the demo's; here the roles that have something to mend.
    repair = playbook.run("site", "--tags", "preflight,sysctl,node_exporter,time_sync", record="site_repair", show=False)
    assert repair.rc == 0, repair.output[-3000:]
    assert {(host, path) for host, _, path in repair.changes} == {
        ("hft-db-01", "/etc/sysctl.d/90-hft.conf"),
        ("hft-prod-02", "prometheus-node-exporter.service"),
        ("hft-mon-01", "chrony"),
        ("hft-mon-01", "chrony.service"),
    }
    assert "edited by hand" not in on("hft-db-01", "cat /etc/sysctl.d/90-hft.conf")
    assert on("hft-prod-02", "systemctl is-active prometheus-node-exporter.service") == "active"
    assert on("hft-mon-01", "systemctl is-active chrony.service") == "active"
    assert api("hft-prod-01", "status")["role"] == "primary", "the repair disturbed the engine that trades"
