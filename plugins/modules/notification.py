#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notification
short_description: Tell people and their tools what happened, within a bounded time
version_added: 0.1.0
description:
  - Tells every target at once and returns after O(timeout_s) at the latest. A target that does not answer, refuses or redirects is named in
    RV(deliveries) and fails nothing; only input that makes no sense fails the task.
  - Runs on the control node. In check mode nobody is told.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.control_node, hft.ops.attributes]
attributes:
  check_mode:
    support: full
    description: Tells nobody, returns who would be told.
  idempotent:
    support: none
    description: A second run tells a second time.
options:
  event:
    description:
      - What happened, a record as P(hft.ops.deployment_report#filter) takes it. C(id), C(action), C(verdict), C(started_at) and
        C(finished_at) must be there.
    type: dict
    required: true
  targets:
    description: Who is told.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name in the result.
        type: str
        required: true
      kind:
        description:
          - V(slack) posts C({text}), as Slack, Mattermost and Rocket.Chat take it; V(webhook) sends C({text, event}).
          - V(mail) sends a message over SMTP.
          - V(ticket) asks for the ticket of the event to be closed, only on verdict V(done).
          - V(grafana) writes an annotation from the start of the run to its end.
          - V(otlp) sends the run and its phases as a trace to a collector of OpenTelemetry (OTLP/HTTP, JSON), below the span that the
            environment variable E(TRACEPARENT) names, where there is one.
        type: str
        choices: [slack, webhook, mail, ticket, grafana, otlp]
        required: true
      verdicts:
        description: Told of these verdicts alone; empty for all.
        type: list
        elements: str
        default: []
      url:
        description:
          - Where it is sent, http or https, for every kind but V(mail). For V(ticket) C({ticket}) in it stands for the ticket's number; for
            V(grafana) the address of Grafana itself, for V(otlp) that of the collector, as C(http://collector:4318).
          - Treated as a secret, because that of Slack is one.
        type: str
      method:
        description: HTTP method, for V(webhook) and V(ticket).
        type: str
        choices: [POST, PUT, PATCH]
        default: POST
      token:
        description: Bearer token.
        type: str
      headers:
        description: Further headers, treated as secrets.
        type: dict
      body:
        description: What closes a ticket, as its system takes it; without it C({comment}) with what happened.
        type: dict
      host:
        description: SMTP server, for V(mail).
        type: str
      port:
        description: Its port.
        type: int
        default: 25
      tls:
        description: How the connection to the SMTP server is encrypted.
        type: str
        choices: [none, starttls, tls]
        default: none
      username:
        description: For the SMTP server.
        type: str
      password:
        description: Its password.
        type: str
      sender:
        description: Sender of the message.
        type: str
      to:
        description: Who gets the message.
        type: list
        elements: str
      ca:
        description: File with the certificates that may have signed that of the other side; those of the system when left out.
        type: path
  timeout_s:
    description: Seconds after which nobody is waited for, 0.1 to 60.
    type: float
    default: 5
"""

EXAMPLES = r"""
- name: Tell the desk
  hft.ops.notification:
    event: "{{ deployment_record }}"
    targets:
      - {name: desk, kind: slack, url: "{{ vault_slack_url }}"}
      - {name: board, kind: grafana, url: "http://hft-mon-01:3000", token: "{{ vault_grafana_token }}"}
      - {name: traces, kind: otlp, url: "http://hft-mon-01:4318"}
  delegate_to: localhost
"""

RETURN = r"""
summary:
  description: What happened, in one line.
  returned: always, unless the input was wrong
  type: str
deliveries:
  description: One a target.
  returned: always, unless the input was wrong
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    kind: {description: Its kind., type: str}
    delivered: {description: Whether it said that it has it., type: bool}
    skipped: {description: Whether it was not to be told., type: bool}
    detail: {description: "What it answered, why it was not told, or what went wrong.", type: str}
undelivered:
  description: Names of those that were to be told and may not know.
  returned: always, unless the input was wrong
  type: list
  elements: str
"""

from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._notification import deliver, skip_reason, summary

_TARGET: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["slack", "webhook", "mail", "ticket", "grafana", "otlp"], "required": True},
    "verdicts": {"type": "list", "elements": "str", "default": []},
    "url": {"type": "str", "no_log": True},
    "method": {"type": "str", "choices": ["POST", "PUT", "PATCH"], "default": "POST"},
    "token": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "body": {"type": "dict"},
    "host": {"type": "str"},
    "port": {"type": "int", "default": 25},
    "tls": {"type": "str", "choices": ["none", "starttls", "tls"], "default": "none"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "sender": {"type": "str"},
    "to": {"type": "list", "elements": "str"},
    "ca": {"type": "path"},
}
_NEEDED = [["kind", kind, ["url"]] for kind in ("slack", "webhook", "ticket", "grafana", "otlp")]
_NEEDED.append(["kind", "mail", ["host", "sender", "to"]])
_EVENT = ("id", "action", "verdict", "started_at", "finished_at")


def wrong_input(given: dict[str, Any]) -> str:
    """What makes no sense, in one line; empty when all does."""
    missing = [key for key in _EVENT if not isinstance(given["event"].get(key), str) or not given["event"][key]]
    wrong = [f"event.{key}: expected text, found {given['event'].get(key)!r}" for key in missing]
    for one in given["targets"]:
        if one["kind"] != "mail" and (urlsplit(one["url"]).scheme not in ("http", "https") or not urlsplit(one["url"]).hostname):
            wrong.append(f"target {one['name']}: url: expected http://HOST or https://HOST")
        if one["kind"] == "mail" and not one["to"]:
            wrong.append(f"target {one['name']}: to: is empty; name who gets the message")
    if not 0.1 <= given["timeout_s"] <= 60:
        wrong.append(f"timeout_s {given['timeout_s']:g}: expected 0.1 to 60")
    return "; ".join(wrong)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "event": {"type": "dict", "required": True},
            "targets": {"type": "list", "elements": "dict", "required": True, "options": _TARGET, "required_if": _NEEDED},
            "timeout_s": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    given = module.params
    wrong = wrong_input(given)
    if wrong:
        module.fail_json(msg=wrong)
    reasons = [skip_reason(one, given["event"]) for one in given["targets"]]
    told = [one for one, reason in zip(given["targets"], reasons) if not reason]
    if module.check_mode:
        answers = [{"name": one["name"], "kind": one["kind"], "delivered": False, "detail": "would be told"} for one in told]
    else:
        answers = deliver(told, given["event"], given["timeout_s"])
    left = iter(answers)
    deliveries = [{"name": one["name"], "kind": one["kind"], "delivered": False, "skipped": True, "detail": reason} if reason
                  else {**next(left), "skipped": False} for one, reason in zip(given["targets"], reasons)]
    undelivered = [] if module.check_mode else [one["name"] for one in answers if not one["delivered"]]
    module.exit_json(changed=bool(told) and len(undelivered) < len(told), summary=summary(given["event"]), deliveries=deliveries,
                     undelivered=undelivered)


if __name__ == "__main__":
    main()
