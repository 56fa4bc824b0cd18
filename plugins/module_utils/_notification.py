# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What happened, told to people and to their tools: all at once, each within the same time, none of them able to fail
the caller."""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import ssl
import threading
import time
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from ansible_collections.hft.ops.plugins.module_utils._otlp import trace

_LARGEST = 64 << 10


class NotDelivered(Exception):
    """One line that says why."""


def deliver(targets: list[dict[str, Any]], event: dict[str, Any], timeout_s: float) -> list[dict[str, Any]]:
    """One {name, kind, delivered, detail} a target, in their order, after timeout_s at the latest whatever the others do.

    A thread that is late is left alone: it ends with the process, which waits for nobody.
    """
    told: list[dict[str, Any]] = [
        {"name": one["name"], "kind": one["kind"], "delivered": False, "detail": f"no answer within {timeout_s:g} s"} for one in targets]
    deadline = time.monotonic() + timeout_s
    threads = [threading.Thread(target=_tell, args=(one, event, timeout_s, answer), daemon=True) for one, answer in zip(targets, told)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [dict(answer) for answer in told]  # as it stands now: a late thread may still write


def skip_reason(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Why a target is not told of this event; empty where it is."""
    verdict = event["verdict"]
    if target["verdicts"] and verdict not in target["verdicts"]:
        return f"not told of verdict {verdict}"
    if target["kind"] == "ticket":
        if not event.get("ticket"):
            return "the run has no ticket"
        if verdict != "done":
            return f"a ticket is closed on verdict done, this is {verdict}"
    return ""


def summary(event: dict[str, Any]) -> str:
    """The event in one line for people."""
    sides = [f"{word} {one['engine']} {one.get('version') or ''}".strip()
             for word, one in (("from", event.get("from") or {}), ("to", event.get("to") or {})) if one.get("engine")]
    gap = f"gap {event['gap_ms']:g} ms" if isinstance(event.get("gap_ms"), (int, float)) else ""
    parts = [f"{event['action']} {event['id']}: {event['verdict'].replace('_', ' ').upper()}", " ".join(sides),
             ", ".join(event.get("strategies") or []), gap, event.get("detail") or "", event.get("reason") or "", event.get("ticket") or "",
             f"by {event['who']}" if event.get("who") else "", event.get("stage") or ""]
    return " ".join("; ".join(filter(None, parts)).split())


def _tell(target: dict[str, Any], event: dict[str, Any], timeout_s: float, answer: dict[str, Any]) -> None:
    try:
        detail = _KINDS[target["kind"]](target, event, timeout_s)
    except NotDelivered as why:
        answer["detail"] = str(why)
    except (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError) as wrong:
        answer["detail"] = " ".join(str(getattr(wrong, "reason", None) or wrong or type(wrong).__name__).split())
    else:
        answer.update(delivered=True, detail=detail)


def _slack(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    # What Slack would read as a link, a mention or markup.
    text = summary(event).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _send(target, "POST", target["url"], {"text": text}, timeout_s)


def _webhook(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    return _send(target, target["method"], target["url"], {"text": summary(event), "event": event}, timeout_s)


def _ticket(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    address = target["url"].replace("{ticket}", quote(event["ticket"], safe=""))
    return _send(target, target["method"], address, target["body"] or {"comment": summary(event)}, timeout_s)


def _grafana(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    body = {"time": _epoch_ms(event["started_at"]), "timeEnd": _epoch_ms(event["finished_at"]), "text": summary(event),
            "tags": ["deployment", event["action"], event["verdict"], *(event.get("strategies") or [])]}
    return _send(target, "POST", f"{target['url'].rstrip('/')}/api/annotations", body, timeout_s)


def _otlp(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    # The path is the protocol's own unless one is given.
    address = target["url"].rstrip("/") + ("/v1/traces" if urlsplit(target["url"]).path in ("", "/") else "")
    status, said = _sent(target, "POST", address, trace(event, os.environ.get("TRACEPARENT", "")), timeout_s)
    try:
        left_out = json.loads(said or "{}").get("partialSuccess") or {}
    except (ValueError, AttributeError):
        left_out = {}  # the status alone says that it has it
    if int(left_out.get("rejectedSpans") or 0):
        raise NotDelivered(f"refused {left_out['rejectedSpans']} spans: {left_out.get('errorMessage') or 'no reason given'}")
    return f"answered {status}"


def _mail(target: dict[str, Any], event: dict[str, Any], timeout_s: float) -> str:
    text = summary(event)
    message = EmailMessage()
    message["From"], message["To"] = target["sender"], ", ".join(target["to"])
    message["Subject"], message["Date"], message["Message-ID"] = text[:200], formatdate(), make_msgid(domain="hft-ops.invalid")
    message.set_content(f"{text}\n\n{json.dumps(event, indent=1, sort_keys=True)}\n")
    tls = ssl.create_default_context(cafile=target["ca"] or None) if target["tls"] != "none" else None
    if target["tls"] == "tls":
        session: smtplib.SMTP = smtplib.SMTP_SSL(target["host"], target["port"], timeout=timeout_s, context=tls)
    else:
        session = smtplib.SMTP(target["host"], target["port"], timeout=timeout_s)
    with session:
        if target["tls"] == "starttls":
            session.starttls(context=tls)
        if target["username"]:
            session.login(target["username"], target["password"] or "")
        refused = session.send_message(message)
    if refused:
        raise NotDelivered(f"refused for {', '.join(sorted(refused))}")
    return f"accepted for {len(target['to'])}"


_KINDS = {"slack": _slack, "webhook": _webhook, "ticket": _ticket, "grafana": _grafana, "mail": _mail, "otlp": _otlp}


class _NoRedirect(HTTPRedirectHandler):
    """A POST that is redirected becomes a GET, which delivers nothing and looks as if it had."""

    def redirect_request(self, *_args: Any) -> None:
        return None


def _send(target: dict[str, Any], method: str, address: str, body: dict[str, Any], timeout_s: float) -> str:
    return f"answered {_sent(target, method, address, body, timeout_s)[0]}"


def _sent(target: dict[str, Any], method: str, address: str, body: dict[str, Any], timeout_s: float) -> tuple[int, str]:
    """Status and text of the answer."""
    headers = {"Content-Type": "application/json", **(target["headers"] or {})}
    if target["token"]:
        headers["Authorization"] = f"Bearer {target['token']}"
    request = Request(address, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - the module takes http and https alone
    tls = HTTPSHandler(context=ssl.create_default_context(cafile=target["ca"] or None)) if address.startswith("https:") else None
    try:
        with build_opener(*filter(None, (_NoRedirect, tls))).open(request, timeout=timeout_s) as reply:
            return reply.status, reply.read(_LARGEST).decode(errors="replace")
    except HTTPError as refused:
        with refused:
            said = " ".join(refused.read(_LARGEST).decode(errors="replace").split())[:120]
        raise NotDelivered(f"answered {refused.code} {refused.reason}{': ' + said if said else ''}") from None


def _epoch_ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1000)
