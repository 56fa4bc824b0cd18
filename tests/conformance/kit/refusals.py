# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong requests are refused with a problem document (RFC 9457), and change nothing."""

from __future__ import annotations

from kit.api import Api, Reply
from kit.check import check, expect
from kit.site import Site

_WRITES = (
    ("PUT", "/api/v1/config"), ("POST", "/api/v1/killswitch"), ("DELETE", "/api/v1/killswitch"), ("POST", "/api/v1/arm"),
    ("DELETE", "/api/v1/arm"), ("POST", "/api/v1/transfer"), ("POST", "/api/v1/flatten"),
)
_HOSTILE = (
    b"", b"{", b"null", b"[]", b'"primary"', b"1e999", b"\xff\xfe", b"{}", b'{"conformance": 1}',
    b'{"reason": 1}', b'{"reason": ""}', b'{"role": "king"}', b'{"role": ["primary"]}', b'{"trading_enabled": "yes"}',
    b'{"role": "primary", "role": "standby"}', b'{"reason": "a", "reason": "b"}', b'{"id": "a b", "to": "x"}', b'{"id": "", "to": ""}',
    b'{"id": "x", "to": {"engine": "x"}, "drain_ms": -1}', b'{"reason": "x", "wait_s": 1e9}',
    b'{"strategies": ["conformance-none"], "id": "x", "reason": "x"}',
    b'{"reason": "' + b"x" * 201 + b'"}', b"[" * 5000 + b"]" * 5000,
)
_HUGE = b'{"reason": "' + b"x" * 200_000 + b'"}'


@check("refusals.hostile_bodies", "every malformed, unknown or duplicate key and wrong type is 400 with a problem document")
def hostile_bodies(site: Site) -> None:
    for method, path in _WRITES:
        for body in _HOSTILE:
            reply = site.one.api.call(method, path, raw=body)
            found = f"{reply.status} {reply.text[:120].strip()}"
            expect(reply.status == 400, f"{method} {path} with {body[:40]!r}: expected 400, found {found}")
            _is_problem(reply)
    _untouched(site)


@check("refusals.huge_body", "a body above the limit is 413, and the engine goes on")
def huge_body(site: Site) -> None:
    for method, path in _WRITES:
        try:
            reply = site.one.api.call(method, path, raw=_HUGE)
        except OSError:
            continue  # closed while the rest of the body was still on its way: refused as well
        expect(reply.status == 413, f"{method} {path} with {len(_HUGE)} bytes: expected 413, found {reply.status}")
        _is_problem(reply)
    _untouched(site)


@check("refusals.unknown_place", "an unknown path is 404 and a wrong method 405, as problem documents")
def unknown_place(site: Site) -> None:
    for method, path, wanted in (("GET", "/api/v1/conformance", 404), ("POST", "/api/v1/strategies/conformance-none/start", 404),
                                 ("DELETE", "/api/v1/status", 405), ("POST", "/api/v1/health", 405)):
        _is_problem(site.one.api.call(method, path).must(wanted))


@check("refusals.wrong_token", "without its token, or with another, an engine answers 401 and does nothing; /health needs none", "token")
def wrong_token(site: Site) -> None:
    for stranger in (Api(site.one.api.url), Api(site.one.api.url, "conformance-wrong"), Api(site.one.api.url, "x")):
        for method, path in (("GET", "/api/v1/status"), *_WRITES):
            reply = stranger.call(method, path, {"reason": "conformance"} if "kill" in path else {})
            expect(reply.status == 401, f"{method} {path} without the right token: expected 401, found {reply.status}")
            _is_problem(reply)
        stranger.get("/health").must(200)
    _untouched(site)


def _is_problem(reply: Reply) -> None:
    expect(reply.content_type.startswith("application/problem+json"),
           f"{reply.request}: expected application/problem+json, found {reply.content_type}")
    problem = reply.json
    missing = {"type", "title", "status", "detail"} - set(problem)
    expect(not missing, f"{reply.request}: a problem document without {', '.join(sorted(missing))}")
    expect(problem["status"] == reply.status, f"{reply.request}: the document says {problem['status']}, the answer {reply.status}")


def _untouched(site: Site) -> None:
    status = site.one.api.status()
    found = {key: status[key] for key in ("role", "trading_enabled", "killswitch")}
    expect(list(found.values()) == ["standby", False, False], f"refused requests changed the engine: {found}")
