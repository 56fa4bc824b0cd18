# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a unit leaves open, as systemd scores it: 2.0 at most. Those of engine and venue are scored on a host by molecule."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined

from repository import ROOT, load

_MOST = 20  # tenths, as systemd-analyze takes it
_UNITS = {
    "alert_hook/templates/hft_alert_hook.service.j2": {"__alert_hook_user": "hook", "__alert_hook_lib": "/lib", "__alert_hook_etc": "/etc"},
    "db_retention/templates/hft-retention.service.j2": {"db_retention_database": "hft_db", "db_retention_port": 5432,
                                                        "db_retention_export_directory": "/srv/archive"},
    "firewall/templates/hft-firewall.service.j2": {"__firewall_rules_path": "/etc/rules", "__firewall_loader": "/usr/bin/true"},
    "grafana/templates/grafana-server.service.j2": dict.fromkeys(("__grafana_program", "__grafana_home", "__grafana_config"), "/opt"),
    "log_shipping/templates/loki.service.j2": dict.fromkeys(map("__log_shipping_loki_{}".format, ("user", "settings", "program")), "x"),
    "log_shipping/templates/follow.service.j2": {"log_shipping_files": ["/var/log/hft_system/system.log"]},
    "pgbackrest/templates/pgbackrest-backup@.service.j2": {
        "__pgbackrest_has_host": False, "__pgbackrest_writable": ["/var/lib/pgbackrest", "/var/log/pgbackrest"],
        "pgbackrest_postgresql_port": 5432, "pgbackrest_stanza": "hft", "pgbackrest_textfile_dir": "/var/lib/prometheus/node-exporter",
    },
}
_SCORED_ON_A_HOST = {"engine/templates/hft_system.service.j2", "venue/templates/paper_venue.service.j2"}
# Each role of a program of the monitoring adds its own wishes to one unit.
_DAEMON = ("monitoring_daemon/templates/unit.service.j2", "monitoring_daemon/templates/drop_in.conf.j2")
_DAEMONS = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/vars/main.yml")
                  if f"__{path.parents[1].name}_daemon" in load(path))


def test_every_unit_is_scored_or_named() -> None:
    found = (ROOT / "roles").glob("*/templates/*.service.j2")
    # What has no such section adds to a unit of the distribution.
    whole = {str(path.relative_to(ROOT / "roles")) for path in found if "[Unit]" in path.read_text()}
    assert whole == _UNITS.keys() | _SCORED_ON_A_HOST | {_DAEMON[0]}


@pytest.mark.parametrize("template", _UNITS)
def test_a_unit_leaves_little_open(tmp_path: Path, template: str) -> None:
    _scored(tmp_path / Path(template).name.removesuffix(".j2"), [template], _UNITS[template])


@pytest.mark.parametrize("role", _DAEMONS)
def test_a_program_of_the_monitoring_leaves_little_open(tmp_path: Path, role: str) -> None:
    wishes = load(ROOT / "roles" / role / "vars" / "main.yml")[f"__{role}_daemon"]["service"]
    service = _environment().compile_expression(wishes.strip("{} "))(**{f"{role}_service": {"cpus": "0", "memory_max": "1G"}})
    paths = dict.fromkeys(("__monitoring_daemon_path", "__monitoring_daemon_drop_in", "__monitoring_daemon_web_path"), "/usr/bin/true")
    given = {"__monitoring_daemon_it": {"name": role, "flags": [], "service": service}, "__monitoring_daemon_web_wanted": True, **paths}
    _scored(tmp_path / f"{role}.service", _DAEMON, given)


def _scored(unit: Path, templates: Sequence[str], given: dict[str, Any]) -> None:
    """The templates as one unit, which must not be above the limit."""
    texts = [(ROOT / "roles" / template).read_text() for template in templates]
    unit.write_text("\n".join(_environment().from_string(text).render(ansible_managed="test", **given) for text in texts))
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={_MOST}", str(unit)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _environment() -> Environment:
    """As much of Ansible's as the templates need."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - no page of the web
    environment.filters.update(
        to_json=lambda value, **_how: json.dumps(value), combine=lambda one, other: {**one, **other},
        regex_replace=lambda text, found, instead: re.sub(found, instead, text))
    return environment
