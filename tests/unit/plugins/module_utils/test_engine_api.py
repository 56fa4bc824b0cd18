# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused, EngineUnreachable, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_environment import api_tokens
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_TOKEN = "read-0123456789ab"


def _certificate(folder: Path, name: str) -> tuple[str, str]:
    """Paths of a self-signed certificate for the host name, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
                   .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    public, private = folder / f"{name}.crt", folder / f"{name}.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(public), str(private)


class Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[str | None]] = []

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        token = self.headers["Authorization"]
        self.seen.append(token)
        ok = token == f"Bearer {_TOKEN}"
        body = json.dumps({"role": "standby"} if ok else {"title": "Unauthorized", "detail": "expected a token"}).encode()
        self.send_response(200 if ok else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    Handler.seen = []
    listener = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield listener
    listener.shutdown()
    listener.server_close()
    thread.join()


def _encrypt(server: HTTPServer, certificate: tuple[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)


def _params(**given: str) -> dict:
    return {"api_url": None, "api_token": None, "api_ca": None, "api_certificate": None, **given}


def test_the_token_is_sent_and_its_absence_is_told(server: HTTPServer) -> None:
    assert EngineApi(port=server.server_port, token=_TOKEN).status() == {"role": "standby"}
    with pytest.raises(EngineRefused, match="401 expected a token"):
        EngineApi(port=server.server_port).status()


def test_https_to_a_name_that_the_authority_vouches_for(server: HTTPServer, tmp_path: Path) -> None:
    public, private = _certificate(tmp_path, "localhost")
    _encrypt(server, (public, private))
    params = _params(api_url=f"https://localhost:{server.server_port}", api_token=_TOKEN, api_ca=public)
    assert engine_api(params, "unused", 1).status() == {"role": "standby"}
    by_number = _params(api_url=f"https://127.0.0.1:{server.server_port}", api_token=_TOKEN, api_ca=public)
    with pytest.raises(EngineUnreachable, match="certificate"):
        engine_api(by_number, "unused", 1).status()
    with pytest.raises(EngineUnreachable, match="certificate"):
        engine_api(_params(api_url=f"https://localhost:{server.server_port}", api_token=_TOKEN), "unused", 1).status()


def test_the_very_certificate_needs_no_name_and_no_other_gets_the_token(server: HTTPServer, tmp_path: Path) -> None:
    public, private = _certificate(tmp_path, "hft-prod-01")
    other = _certificate(tmp_path, "other")[0]
    _encrypt(server, (public, private))
    assert engine_api(_params(api_token=_TOKEN, api_certificate=public), "127.0.0.1", server.server_port).status() == {"role": "standby"}
    Handler.seen.clear()
    with pytest.raises(EngineUnreachable, match="another certificate"):
        engine_api(_params(api_token=_TOKEN, api_certificate=other), "127.0.0.1", server.server_port).status()
    assert not Handler.seen
    for wrong in (str(tmp_path / "none"), private):
        with pytest.raises(EngineUnreachable, match="expected"):
            engine_api(_params(api_certificate=wrong), "127.0.0.1", server.server_port).status()


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://h:1", "http://", "http://h:port", "http://h:1/api", "http://u@h:1", "http://h:1?x"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    if not url:
        assert engine_api(_params(api_url=url), "10.0.0.1", 8081).address == "10.0.0.1"
        return
    with pytest.raises(HostError, match="expected http"):
        engine_api(_params(api_url=url), "127.0.0.1", 8080)


def test_tokens_of_an_environment_file_as_systemd_reads_them() -> None:
    text = ('DB_PASSWORD="x"\nAPI_TOKENS_READ="a\\"b\\\\c,d"\n API_TOKENS_KILL=\'e\'\nAPI_TOKENS_OPERATE=f\n'
            '#API_TOKENS_READ="no"\nAPI_TOKENS="no"\n')
    assert api_tokens(text) == {"API_TOKENS_READ": 'a"b\\c,d', "API_TOKENS_KILL": "e", "API_TOKENS_OPERATE": "f"}
    assert api_tokens(None) == {}
