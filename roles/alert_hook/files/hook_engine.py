# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""The kill switch of one engine, by its control API. There is no call that resumes anything."""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlsplit

from hook_settings import Engine

_TIMEOUT_S = 3.0


def latch(engine: Engine, reason: str) -> str:
    """Latch it; empty when the engine confirmed, else what is wrong in one line."""
    parts = urlsplit(engine.url)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {engine.token}"} if engine.token else {})}
    link: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            link = http.client.HTTPSConnection(parts.hostname or "", parts.port or 443, timeout=_TIMEOUT_S,
                                               context=ssl.create_default_context(cafile=engine.ca or None))
        else:
            link = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S)
        try:
            link.request("POST", "/api/v1/killswitch", json.dumps({"reason": reason}), headers)
            reply = link.getresponse()
            said = reply.read(65536)
        finally:
            link.close()
    except (OSError, http.client.HTTPException) as wrong:
        return f"{engine.url}: {wrong or type(wrong).__name__}"
    if reply.status == 200 and _latched(said):
        return ""
    return f"{engine.url}: answered {reply.status} {said[:200].decode(errors='replace')}"


def _latched(said: bytes) -> bool:
    """Whether the answer is that of an engine, and says so."""
    try:
        document = json.loads(said)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("latched") is True
