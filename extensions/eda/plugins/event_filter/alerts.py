# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Event filter for ansible-rulebook: a notification of Alertmanager as one small event for each alert."""

from __future__ import annotations

import logging
import re
from typing import Any

DOCUMENTATION = r"""
---
short_description: A notification of Alertmanager as one event for each alert
description:
  - Of each alert C(alertname), C(status), C(engine), C(fingerprint) and C(starts_at), and nothing else. C(engine) is the label C(host),
    else C(engine), else the host of C(instance).
  - ansible-rulebook gives events to playbooks as variables, where Ansible evaluates templates. Whoever may label a metric may write
    anything there, so an alert is dropped, and logged, unless each of these is a plain name.
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    port: 9098
    token: "{{ HFT_EDA_TOKEN }}"
  filters:
    - hft.ops.alerts:
"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_LOG = logging.getLogger(__name__)


def main(event: dict[str, Any]) -> list[dict[str, Any]]:
    """What ansible-rulebook calls for each event of the source."""
    payload = event.get("payload", event)
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        _LOG.warning("hft.ops.alerts: not a notification of Alertmanager: it has no list alerts; dropped")
        return []
    found = [_alert(one) for one in alerts]
    for problem in (one for one in found if isinstance(one, str)):
        _LOG.warning("hft.ops.alerts: %s; dropped", problem)
    return [one for one in found if isinstance(one, dict)]


def _alert(given: Any) -> dict[str, Any] | str:
    """The event, or why there is none."""
    labels = given.get("labels") if isinstance(given, dict) else None
    if not isinstance(labels, dict):
        return "an alert without labels"
    # An address with a port is split at the last colon; one without has none.
    instance = str(labels.get("instance", ""))
    wanted = {"alertname": labels.get("alertname"), "status": given.get("status"), "fingerprint": given.get("fingerprint"),
              "engine": labels.get("host") or labels.get("engine") or instance.rpartition(":")[0] or instance}
    for key, value in wanted.items():
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            return f"{key}: expected a plain name, found {str(value)[:80]!r}"
    if not isinstance(given.get("startsAt"), str) or not _MOMENT.fullmatch(given["startsAt"]):
        return f"startsAt: expected a moment with a zone, found {str(given.get('startsAt'))[:80]!r}"
    return {**wanted, "starts_at": given["startsAt"]}
