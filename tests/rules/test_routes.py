# SPDX-License-Identifier: GPL-3.0-or-later
"""amtool of the lab's hosts reads what role alertmanager makes, with its defaults and with everything, and says who gets which alert."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable

import pytest
import yaml
from ansible_collections.hft.ops.plugins.filter.alertmanager_config import alertmanager_config

from lab import image
from lab.paths import ROOT

_DEFAULTS = {name.removeprefix("alertmanager_"): value
             for name, value in yaml.safe_load((ROOT / "roles/alertmanager/defaults/main.yml").read_text()).items()}
_RECEIVERS = [
    {"name": "page", "pagerduty": [{"routing_key": "k"}]},
    {"name": "desk", "slack": [{"url": "https://slack.example.com/x", "channel": "#hft"}], "mail": [{"to": "desk@example.com"}]},
    {"name": "europe", "webhooks": [{"url": "https://eu.example.com", "token": "t", "authority": "/etc/ssl/site.pem", "max_alerts": 5}]},
    {"name": "dead man", "webhooks": [{"url": "https://dead.example.com"}]},
]
_ALL = {
    **_DEFAULTS, "default_receiver": "desk", "watchdog_receiver": "dead man",
    "smtp": {"host": "mail.example.com", "sender": "hft@example.com", "username": "u", "password": "p"},
    "routes": [{"receiver": "europe", "regions": ["eu_west", "eu.central"], "severities": ["critical"], "repeat_interval": "1h"},
               {"receiver": "page", "severities": ["critical"], "go_on": True, "group_by": ["alertname"]},
               {"receiver": "desk", "severities": ["critical", "warning"], "matchers": ['strategy!="paper"']}],
}
_UNPACK = "dpkg -x /var/cache/apt/archives/prometheus-alertmanager_*.deb /opt/am; cd /tmp; cat > c.yml; PATH=/opt/am/usr/bin:$PATH; "


@pytest.fixture(scope="session")
def amtool() -> Callable[..., str]:
    """amtool(configuration, *commands): what each prints, in a container of a host's image."""

    def run(config: dict, *commands: list[str]) -> str:
        script = _UNPACK + " && ".join(shlex.join(["amtool", *command]) for command in commands)
        done = subprocess.run(["docker", "run", "--rm", "--interactive", "--network", "none", "--entrypoint", "/bin/sh",
                               image.tag("host"), "-c", script], input=yaml.safe_dump(config), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_defaults_are_a_configuration_that_tells_nobody(amtool: Callable[..., str]) -> None:
    config = alertmanager_config([], _DEFAULTS, "/s")["config"]
    said = amtool(config, ["check-config", "c.yml"], ["config", "routes", "test", "--config.file=c.yml", "severity=critical"])
    assert f"{len(_DEFAULTS['inhibitions'])} inhibit rules" in said
    assert said.splitlines()[-1] == "nobody"


def test_who_gets_what(amtool: Callable[..., str]) -> None:
    cases = {
        "alertname=Watchdog severity=none": "dead man",
        "alertname=HostDown severity=critical region=us_east": "page,desk",
        "alertname=HostDown severity=critical region=eu_west": "europe",
        "alertname=HostDown severity=critical region=eu.central": "europe",
        "alertname=HostDown severity=critical region=euxcentral": "page,desk",  # a dot in a name is a dot
        "alertname=CpuBusy severity=warning region=eu_west": "desk",
        "alertname=OrderLatency severity=critical strategy=paper": "page",
        "alertname=Other": "desk",
    }
    commands = [["config", "routes", "test", "--config.file=c.yml", *labels.split()] for labels in cases]
    config = alertmanager_config(_RECEIVERS, _ALL, "/s")["config"]
    said = amtool(config, ["check-config", "c.yml"], *commands).splitlines()
    assert dict(zip(cases, said[-len(cases):])) == cases
