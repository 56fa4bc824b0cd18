# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a unit leaves open, as systemd scores it: 2.0 at most. Those of engine and venue are scored on a host by molecule."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from jinja2 import Environment, StrictUndefined

from repository import ROOT

_MOST = 20  # tenths, as systemd-analyze takes it
_UNITS = {
    "alert_hook/templates/hft_alert_hook.service.j2": {"__alert_hook_user": "hook", "__alert_hook_lib": "/lib", "__alert_hook_etc": "/etc"},
    "db_retention/templates/hft-retention.service.j2": {"db_retention_database": "hft_db", "db_retention_port": 5432,
                                                        "db_retention_export_directory": "/srv/archive"},
    "firewall/templates/hft-firewall.service.j2": {"__firewall_rules_path": "/etc/rules", "__firewall_loader": "/usr/bin/true"},
    "log_shipping/templates/follow.service.j2": {"log_shipping_files": ["/var/log/hft_system/system.log"]},
    "pgbackrest/templates/pgbackrest-backup@.service.j2": {
        "__pgbackrest_has_host": False, "__pgbackrest_writable": ["/var/lib/pgbackrest", "/var/log/pgbackrest"],
        "pgbackrest_postgresql_port": 5432, "pgbackrest_stanza": "hft", "pgbackrest_textfile_dir": "/var/lib/prometheus/node-exporter",
    },
}
_SCORED_ON_A_HOST = {"engine/templates/hft_system.service.j2", "venue/templates/paper_venue.service.j2"}
# Their hardening wants a run of the scenario beside it.
_NOT_YET = {"grafana/templates/grafana-server.service.j2", "monitoring_daemon/templates/unit.service.j2"}


def test_every_unit_is_scored_or_named() -> None:
    found = (ROOT / "roles").glob("*/templates/*.service.j2")
    # What has no such section adds to a unit of the distribution.
    whole = {str(path.relative_to(ROOT / "roles")) for path in found if "[Unit]" in path.read_text()}
    assert whole == _UNITS.keys() | _SCORED_ON_A_HOST | _NOT_YET


@pytest.mark.parametrize("template", _UNITS)
def test_a_unit_leaves_little_open(tmp_path: Path, template: str) -> None:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - no page of the web
    environment.filters["to_json"] = json.dumps
    unit = tmp_path / Path(template).name.removesuffix(".j2")
    unit.write_text(environment.from_string((ROOT / "roles" / template).read_text()).render(ansible_managed="test", **_UNITS[template]))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={_MOST}", str(unit)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
