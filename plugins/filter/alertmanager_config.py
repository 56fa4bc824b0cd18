# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that makes Alertmanager's configuration from receivers and routes, every secret in a file of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
name: alertmanager_config
short_description: Make Alertmanager's configuration from receivers and routes, every secret in a file of its own
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns the configuration, in which no secret stands, and the files with the secrets that it names.
  - The alert C(Watchdog) always has a route of its own. What no route takes goes to the default receiver.
positional: settings, secrets_directory
options:
  _input:
    description: Receivers, as option C(alertmanager_receivers) of role C(alertmanager) has them.
    type: list
    elements: dict
    required: true
  settings:
    description:
      - C(routes), C(inhibitions), C(default_receiver), C(group_by), C(group_wait), C(group_interval), C(repeat_interval),
        C(watchdog_receiver), C(watchdog_interval), C(smtp), C(resolve_timeout), as the options of the role.
    type: dict
    required: true
  secrets_directory:
    description: Where the files with secrets lie.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what is made of it
  ansible.builtin.debug:
    msg: "{{ alertmanager_receivers | hft.ops.alertmanager_config(settings, '/etc/prometheus/alertmanager_secrets') }}"
"""

RETURN = r"""
_value:
  description: C(config), the configuration, and C(secrets), files with C(path) and C(content).
  type: dict
"""

import re

from ansible.errors import AnsibleFilterError

NOBODY = "nobody"
_TEXT = ("{{ range .Alerts }}{{ .Labels.alertname }}: {{ .Annotations.summary }}"
         "{{ if .Annotations.action }} ({{ .Annotations.action }}){{ end }}\n{{ end }}")
_SEVERITY = '{{ if eq .CommonLabels.severity "critical" }}critical{{ else }}warning{{ end }}'
_ROUTE = {"group_by", "group_wait", "group_interval", "repeat_interval"}


def alertmanager_config(receivers: list[dict], settings: dict, secrets_directory: str) -> dict:
    """Make configuration and secret files; see DOCUMENTATION."""
    names = [one["name"] for one in receivers]
    routes = settings.get("routes") or []
    named = {one["receiver"] for one in routes} | {settings.get(key) or NOBODY for key in ("default_receiver", "watchdog_receiver")}
    wrong = [f"receiver {name}: named twice" for name in sorted({name for name in names if names.count(name) > 1})]
    known = ", ".join(names) or "there are none"
    wrong += [f"receiver {name}: is not among alertmanager_receivers ({known})" for name in sorted(named - {NOBODY, *names})]
    wrong += [f"receiver {name}: the name stands for no receiver; choose another" for name in names if name == NOBODY]
    wrong += [f"receiver {name}: expected letters, digits, dot, dash, underscore and blank" for name in names
              if not re.fullmatch(r"\w[\w. -]*", name)]
    if any(one.get("mail") for one in receivers) and not (settings.get("smtp") or {}).get("host"):
        wrong.append("alertmanager_smtp: host: required, because a receiver has mail")
    if wrong:
        raise AnsibleFilterError("hft.ops.alertmanager_config: " + "; ".join(wrong))
    secrets = _Secrets(secrets_directory)
    made = [{"name": NOBODY}] + [_receiver(one, secrets) for one in receivers]
    interval = settings["watchdog_interval"]
    # Asked at each group_interval whether repeat_interval has passed: were both the same, every other time it would have nearly.
    watchdog = {"receiver": settings.get("watchdog_receiver") or NOBODY, "matchers": ['alertname="Watchdog"'],
                "group_by": ["alertname", "region"], "group_wait": "0s", "group_interval": interval, "repeat_interval": "1s"}
    config = {
        "global": {"resolve_timeout": settings["resolve_timeout"], **_smtp(settings.get("smtp") or {}, secrets)},
        "route": {"receiver": settings.get("default_receiver") or NOBODY, **{key: settings[key] for key in _ROUTE},
                  "routes": [watchdog, *(_route(one) for one in routes)]},
        "inhibit_rules": [{"source_matchers": one["source"], "target_matchers": one["target"], "equal": one.get("equal") or []}
                          for one in settings.get("inhibitions") or []],
        "receivers": made,
    }
    return {"config": config, "secrets": secrets.files}


class _Secrets:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.files: list[dict] = []

    def keep(self, name: str, content: str) -> str:
        """Path of the file that holds it."""
        path = f"{self._directory}/{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}"
        if path in (one["path"] for one in self.files):
            raise AnsibleFilterError(f"hft.ops.alertmanager_config: {path}: two secrets would lie there; give receivers names that "
                                     "differ in more than blanks and letters beyond ASCII")
        self.files.append({"path": path, "content": content})
        return path


def _smtp(smtp: dict, secrets: _Secrets) -> dict:
    if not smtp:
        return {}
    made = {"smtp_smarthost": f"{smtp['host']}:{smtp.get('port', 587)}", "smtp_from": smtp.get("sender", ""),
            "smtp_require_tls": bool(smtp.get("tls", True))}
    if smtp.get("username"):
        made["smtp_auth_username"] = smtp["username"]
        made["smtp_auth_password_file"] = secrets.keep("smtp.password", smtp.get("password", ""))
    return made


def _receiver(one: dict, secrets: _Secrets) -> dict:
    """In Alertmanager's own form; each secret is kept under the receiver's name."""
    made: dict = {"name": one["name"]}
    for mail in one.get("mail") or []:
        made.setdefault("email_configs", []).append({"to": mail["to"], **_resolved(mail)})
    for number, slack in enumerate(one.get("slack") or []):
        path = secrets.keep(f"{one['name']}.slack.{number}.url", slack["url"])
        made.setdefault("slack_configs", []).append(
            {"api_url_file": path, **({"channel": slack["channel"]} if slack.get("channel") else {}), "text": _TEXT, **_resolved(slack)})
    for number, duty in enumerate(one.get("pagerduty") or []):
        path = secrets.keep(f"{one['name']}.pagerduty.{number}.key", duty["routing_key"])
        made.setdefault("pagerduty_configs", []).append(
            {"routing_key_file": path, "severity": _SEVERITY, **({"url": duty["url"]} if duty.get("url") else {}), **_resolved(duty)})
    for number, hook in enumerate(one.get("webhooks") or []):
        made.setdefault("webhook_configs", []).append(_webhook(f"{one['name']}.webhook.{number}", hook, secrets))
    return made


def _webhook(name: str, hook: dict, secrets: _Secrets) -> dict:
    made = {"url_file": secrets.keep(f"{name}.url", hook["url"]), "max_alerts": int(hook.get("max_alerts") or 0), **_resolved(hook)}
    http = {}
    if hook.get("token"):
        http["authorization"] = {"type": "Bearer", "credentials_file": secrets.keep(f"{name}.token", hook["token"])}
    if hook.get("authority"):
        http["tls_config"] = {"ca_file": hook["authority"]}
    return {**made, "http_config": http} if http else made


def _resolved(one: dict) -> dict:
    return {"send_resolved": one.get("send_resolved") is not False}


def _route(one: dict) -> dict:
    matchers = [_matcher(label, one.get(key) or []) for label, key in (("severity", "severities"), ("region", "regions")) if one.get(key)]
    return {"receiver": one["receiver"], "matchers": matchers + list(one.get("matchers") or []),
            **({"continue": True} if one.get("go_on") else {}), **{key: one[key] for key in sorted(_ROUTE) if one.get(key)}}


def _matcher(label: str, values: list[str]) -> str:
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    # Not by a backslash, which the two parsers of Alertmanager read differently.
    plain = [re.sub(r"[.+*?()|{}$]", r"[\g<0>]", value) for value in values]
    return f'{label}=~"{"|".join(plain)}"'


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"alertmanager_config": alertmanager_config}
