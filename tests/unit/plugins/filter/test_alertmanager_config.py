# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager's configuration from data: who gets what, no secret in it, and what names nobody is refused."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.alertmanager_config import alertmanager_config

_SETTINGS = {"group_by": ["alertname"], "group_wait": "5s", "group_interval": "1m", "repeat_interval": "4h", "watchdog_interval": "1m",
             "resolve_timeout": "1m"}
_PAGER = {"name": "page", "pagerduty": [{"routing_key": "k3y"}],
          "webhooks": [{"url": "http://hook/7", "token": "t0ken", "send_resolved": False}]}
_DESK = {"name": "desk", "slack": [{"url": "https://slack/s3cret", "channel": "#hft"}], "mail": [{"to": "a@example.com"}]}
_SMTP = {"host": "mail", "port": 25, "sender": "hft@example.com", "username": "u", "password": "p4ss", "tls": False}


def _make(receivers: list[dict], **more: object) -> dict:
    return alertmanager_config(receivers, {**_SETTINGS, **more}, "/s")


def test_every_secret_is_in_a_file_and_none_in_the_configuration() -> None:
    made = _make([_PAGER, _DESK], smtp=_SMTP)
    text = json.dumps(made["config"])
    files = {one["path"]: one["content"] for one in made["secrets"]}
    assert files == {"/s/smtp.password": "p4ss", "/s/page.pagerduty.0.key": "k3y", "/s/page.webhook.0.url": "http://hook/7",
                     "/s/page.webhook.0.token": "t0ken", "/s/desk.slack.0.url": "https://slack/s3cret"}
    assert all(path in text for path in files)
    assert not [content for content in files.values() if content in text]


def test_a_hook_is_not_told_of_what_is_over_unless_it_asks_for_it() -> None:
    page = _make([_PAGER])["config"]["receivers"][1]
    assert page["webhook_configs"][0]["send_resolved"] is False
    assert page["webhook_configs"][0]["http_config"] == {"authorization": {"type": "Bearer", "credentials_file": "/s/page.webhook.0.token"}}
    assert page["pagerduty_configs"][0]["send_resolved"] is True


def test_routes_by_severity_and_region_come_after_the_watchdog() -> None:
    routes = [{"receiver": "page", "severities": ["critical"], "regions": ["us_east", "eu"], "go_on": True},
              {"receiver": "desk", "severities": ["critical", "warning"], "matchers": ['team!="x"'], "repeat_interval": "1h"}]
    route = _make([_PAGER, _DESK], smtp=_SMTP, routes=routes, watchdog_receiver="page", default_receiver="desk")["config"]["route"]
    assert route["receiver"] == "desk"
    assert [(one["receiver"], one["matchers"]) for one in route["routes"]] == [
        ("page", ['alertname="Watchdog"']), ("page", ['severity="critical"', 'region=~"us_east|eu"']),
        ("desk", ['severity=~"critical|warning"', 'team!="x"'])]
    assert route["routes"][1]["continue"] is True
    assert route["routes"][2]["repeat_interval"] == "1h"


def test_without_receivers_nobody_is_told() -> None:
    config = _make([])["config"]
    assert config["receivers"] == [{"name": "nobody"}]
    assert config["route"]["routes"][0]["receiver"] == "nobody"


@pytest.mark.parametrize(("receivers", "more", "said"), [
    ([_PAGER], {"routes": [{"receiver": "pager"}]}, r"receiver pager: is not among alertmanager_receivers \(page\)"),
    ([_PAGER], {"watchdog_receiver": "dead"}, "receiver dead: is not among"),
    ([_PAGER, _PAGER], {}, "receiver page: named twice"),
    ([{"name": "nobody"}], {}, "the name stands for no receiver"),
    ([{"name": "../x"}], {}, "expected letters"),
    ([_DESK], {}, "alertmanager_smtp: host: required"),
    ([{**_PAGER, "name": "dead man"}, {**_PAGER, "name": "dead_man"}], {}, "/s/dead_man.pagerduty.0.key: two secrets would lie there"),
])
def test_what_names_nobody_is_refused(receivers: list[dict], more: dict, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        _make(receivers, **more)
