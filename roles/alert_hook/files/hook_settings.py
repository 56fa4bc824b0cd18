# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""What the hook is told: config.json, and the secrets beside it. Anything unknown or unsafe is refused, in one line."""

from __future__ import annotations

import ipaddress
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Match = dict[str, tuple[str, ...]]


class SettingsWrong(ValueError):
    """The file cannot be used."""


@dataclass(frozen=True)
class Signal:
    source: str
    match: Match


@dataclass(frozen=True)
class Rule:
    """What alerts ask for: a rollback at one of its only signal, a kill at one of each of two signals."""

    name: str
    action: str  # rollback or kill
    scope: str  # engine: that of the alert; all
    signals: tuple[Signal, ...]
    within_s: float


@dataclass(frozen=True)
class Engine:
    url: str
    token: str
    ca: str


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    tls: ssl.SSLContext | None
    token: str
    state_dir: Path
    dry_run: bool
    request_ttl_s: float
    alert_age_s: float
    kill_retry_s: float
    keep_days: float
    max_body_bytes: int
    engines: dict[str, Engine]
    rules: tuple[Rule, ...]


def load(path: Path) -> Settings:
    given = _keys(path.name, _read(path), {
        "listen": str, "tls": dict, "secrets": str, "state_dir": str, "dry_run": bool, "request_ttl_s": float, "alert_age_s": float,
        "kill_retry_s": float, "keep_days": float, "max_body_bytes": int, "engines": dict, "rules": list})
    secrets = _keys("secrets", _read(path.parent / given["secrets"]), {"hook": str, "engines": dict})
    if len(secrets["hook"]) < 16:
        raise SettingsWrong("secrets: hook: expected a token of 16 characters or more")
    host, port = _listen(given["listen"], bool(given["tls"]))
    for key in ("request_ttl_s", "alert_age_s", "kill_retry_s", "keep_days", "max_body_bytes"):
        if given[key] <= 0:
            raise SettingsWrong(f"{key}: expected a number above 0, found {given[key]:g}")
    engines = {name: _engine(name, one, secrets["engines"]) for name, one in given["engines"].items()}
    rules = tuple(_rule(number, one, engines) for number, one in enumerate(given["rules"], 1))
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise SettingsWrong(f"rules: the name {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return Settings(host, port, _tls(given["tls"]), secrets["hook"], Path(given["state_dir"]), given["dry_run"], given["request_ttl_s"],
                    given["alert_age_s"], given["kill_retry_s"], given["keep_days"], given["max_body_bytes"], engines, rules)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise SettingsWrong(f"{path}: {wrong.strerror}") from None
    except ValueError as wrong:
        raise SettingsWrong(f"{path}: expected JSON: {wrong}") from None


def _keys(where: str, given: Any, wanted: dict[str, type]) -> dict[str, Any]:
    """The object, when it has exactly these keys with values of these types."""
    if not isinstance(given, dict):
        raise SettingsWrong(f"{where}: expected an object, found {type(given).__name__}")
    wrong = sorted(set(given) ^ set(wanted))
    if wrong:
        why = f"unknown, expected {', '.join(sorted(wanted))}" if wrong[0] in given else "is missing"
        raise SettingsWrong(f"{where}: {wrong[0]}: {why}")
    for key, kind in wanted.items():
        value = float(given[key]) if kind is float and isinstance(given[key], int) and not isinstance(given[key], bool) else given[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SettingsWrong(f"{where}: {key}: expected {kind.__name__}, found {json.dumps(given[key])[:80]}")
        given[key] = value
    return given


def _listen(text: str, tls: bool) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        raise SettingsWrong(f"listen: expected ADDRESS:PORT, found {text!r}") from None
    if not address.is_loopback and not tls:
        raise SettingsWrong(f"listen: {text} without tls would send the token in clear over the network; give tls, or listen on 127.0.0.1")
    return str(address), number


def _tls(given: dict[str, Any]) -> ssl.SSLContext | None:
    if not given:
        return None
    files = _keys("tls", given, {"certificate": str, "key": str})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files["certificate"], files["key"])
    except (OSError, ssl.SSLError) as wrong:
        raise SettingsWrong(f"tls: {files['certificate']}, {files['key']}: expected a certificate and its key: {wrong}") from None
    return context


def _engine(name: str, given: Any, tokens: dict[str, Any]) -> Engine:
    engine = _keys(f"engines: {name}", given, {"url": str, "ca": str})
    parts = urlsplit(engine["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise SettingsWrong(f"engines: {name}: url: expected http://HOST:PORT or https://HOST:PORT, found {engine['url']!r}")
    if not isinstance(tokens.get(name, ""), str):
        raise SettingsWrong(f"secrets: engines: {name}: expected a token")
    if parts.scheme == "http" and name in tokens and not _loopback(parts.hostname):
        raise SettingsWrong(f"engines: {name}: url: {engine['url']} would send the kill token in clear over the network; expected https")
    if parts.scheme == "https":
        try:
            ssl.create_default_context(cafile=engine["ca"] or None)
        except (OSError, ssl.SSLError) as wrong:
            raise SettingsWrong(f"engines: {name}: ca: {engine['ca']}: expected certificates: {wrong}") from None
    return Engine(engine["url"].rstrip("/"), tokens.get(name, ""), engine["ca"])


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _rule(number: int, given: Any, engines: dict[str, Engine]) -> Rule:
    where = f"rules: number {number}"
    rule = _keys(where, given, {"name": str, "action": str, "scope": str, "signals": list, "within_s": float})
    where = f"rules: {rule['name'] or number}"
    if not rule["name"] or rule["action"] not in ("rollback", "kill") or rule["scope"] not in ("engine", "all"):
        raise SettingsWrong(f"{where}: expected a name, action rollback or kill, scope engine or all")
    signals = tuple(_signal(f"{where}: signals", one) for one in rule["signals"])
    if rule["action"] == "rollback" and len(signals) != 1:
        raise SettingsWrong(f"{where}: a rollback is requested at one signal, found {len(signals)}")
    if rule["action"] == "kill":
        _independent(where, signals, rule["within_s"], engines)
    return Rule(rule["name"], rule["action"], rule["scope"], signals, rule["within_s"])


def _signal(where: str, given: Any) -> Signal:
    signal = _keys(where, given, {"source": str, "match": dict})
    match = {label: (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
             for label, value in signal["match"].items()}
    if "alertname" not in match or not all(values and all(isinstance(one, str) and one for one in values) for values in match.values()):
        raise SettingsWrong(f"{where}: match: expected labels with a value or a list of values, alertname among them")
    return Signal(signal["source"], match)


def _independent(where: str, signals: tuple[Signal, ...], within_s: float, engines: dict[str, Engine]) -> None:
    if len(signals) != 2 or within_s <= 0:
        raise SettingsWrong(f"{where}: a kill takes two signals and within_s above 0")
    first, second = signals
    if not first.source or first.source == second.source:
        raise SettingsWrong(f"{where}: both signals come from {first.source!r}; a kill takes two that cannot be wrong for one reason")
    if set(first.match["alertname"]) & set(second.match["alertname"]):
        raise SettingsWrong(f"{where}: both signals match the same alertname; one alert is one signal")
    if not engines:
        raise SettingsWrong(f"{where}: a kill needs engines")
