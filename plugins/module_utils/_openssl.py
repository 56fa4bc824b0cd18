# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Keys, requests and certificates by the program openssl, which every Debian host has."""

from __future__ import annotations

import calendar
import ipaddress
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

DAY_S = 86400
_ENVIRONMENT_NAME = "HFT_PKI_PASSPHRASE"


@dataclass(frozen=True)
class Certificate:
    """What one certificate says."""

    common_name: str
    names: tuple[str, ...]
    """Sorted, in openssl's form: DNS:hft-db-01, IP:10.0.0.1."""
    not_after: int
    """Seconds since the epoch."""
    serial: str

    def days_left(self, now: float) -> float:
        return round((self.not_after - now) / DAY_S, 1)


def subject_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names and addresses as they stand in a certificate, sorted, each once."""
    found = set()
    for name in names:
        try:
            found.add(f"IP:{ipaddress.ip_address(name)}")
        except ValueError:
            if not re.fullmatch(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
                raise HostError(f"names: {name!r}: expected a host name or an address") from None
            found.add(f"DNS:{name}")
    return tuple(sorted(found))


def iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


class OpenSSL:
    """The program; run_command as AnsibleModule.run_command."""

    def __init__(self, run_command: Callable[..., tuple[int, str, str]], passphrase: str = "") -> None:
        self._run_command = run_command
        self._passphrase = passphrase

    def new_key(self) -> str:
        """A key on the curve P-256, encrypted when a passphrase is there."""
        encryption = ["-aes-256-cbc", "-pass", f"env:{_ENVIRONMENT_NAME}"] if self._passphrase else []
        return self._run(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", *encryption], "make a key")

    def public_key(self, key: str) -> str:
        """The public half of a key file."""
        return self._run(["pkey", "-in", key, "-pubout", *self._passin()], f"read the key {key}")

    def request(self, key: str, common_name: str, names: tuple[str, ...]) -> str:
        return self._run(["req", "-new", "-key", key, "-subj", f"/CN={common_name}", "-addext", f"subjectAltName={','.join(names)}"],
                         f"make a request with the key {key}")

    def self_sign(self, key: str, common_name: str, days: int) -> str:
        """The certificate of an authority that signs leaves and no other authority."""
        extensions = ("basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
        return self._run(["req", "-x509", "-new", "-key", key, *self._passin(), "-sha256", "-days", str(days),
                          "-subj", f"/CN={common_name}", *(word for extension in extensions for word in ("-addext", extension))],
                         f"sign the authority {common_name}")

    def sign(self, request: str, names: tuple[str, ...], authority: str, authority_key: str, days: int) -> str:
        """A certificate for both ends of TLS. What it may be used for is said here, never by the request."""
        extensions = ("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
                      f"subjectAltName={','.join(names)}\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="hft-pki-") as file:
            file.write(extensions)
            file.flush()
            return self._run(["x509", "-req", "-sha256", "-days", str(days), "-CA", authority, "-CAkey", authority_key, *self._passin(),
                              "-extfile", file.name], "sign a request", data=request)

    def read(self, certificate: str) -> Certificate:
        """What a certificate (PEM) says."""
        said = self._run(["x509", "-noout", "-serial", "-subject", "-nameopt", "multiline,utf8", "-enddate", "-ext", "subjectAltName"],
                         "read a certificate", data=certificate)
        return parse(said)

    def public_key_of(self, certificate: str) -> str:
        return self._run(["x509", "-noout", "-pubkey"], "read a certificate", data=certificate)

    def signed_by(self, certificate: str, authority: str) -> bool:
        """Whether the authority (PEM) signed the certificate (PEM), whatever the dates."""
        with tempfile.TemporaryDirectory(prefix="hft-pki-") as folder:
            for name, text in (("authority", authority), ("certificate", certificate)):
                Path(folder, name).write_text(text, encoding="utf-8")
            rc, _out, _err = self._call(["verify", "-no_check_time", "-CAfile", f"{folder}/authority", f"{folder}/certificate"], None)
        return rc == 0

    def _passin(self) -> list[str]:
        return ["-passin", f"env:{_ENVIRONMENT_NAME}"] if self._passphrase else ["-passin", "pass:"]

    def _run(self, argv: list[str], purpose: str, data: str | None = None) -> str:
        rc, out, err = self._call(argv, data)
        if rc != 0:
            raise HostError(f"openssl cannot {purpose}: {_reason(err)}")
        return out

    def _call(self, argv: list[str], data: str | None) -> tuple[int, str, str]:
        environment: dict[str, Any] = {"LC_ALL": "C.UTF-8"}
        if self._passphrase:
            environment[_ENVIRONMENT_NAME] = self._passphrase
        try:
            return self._run_command(["openssl", *argv], data=data, binary_data=True, environ_update=environment, handle_exceptions=False)
        except OSError as why:
            raise HostError("openssl: not installed on this host; install the package openssl") from why


def parse(said: str) -> Certificate:
    """The output of `openssl x509` with serial, subject, enddate and subjectAltName."""
    serial = re.search(r"^serial=(\w+)$", said, re.MULTILINE)
    common_name = re.search(r"^\s*commonName\s*=\s*(.*)$", said, re.MULTILINE)
    not_after = re.search(r"^notAfter=(.*)$", said, re.MULTILINE)
    names = re.search(r"Subject Alternative Name:[^\n]*\n\s*(.*)$", said, re.MULTILINE)
    if not (serial and not_after):
        raise HostError("openssl x509: unexpected output, no serial number or date in it")
    moment = calendar.timegm(time.strptime(not_after.group(1).replace(" GMT", ""), "%b %d %H:%M:%S %Y"))
    # An IPv6 address is printed in full, so it goes through the same form as those that are wanted.
    listed = [name.strip().split(":", 1)[1] for name in names.group(1).split(",")] if names else []
    return Certificate(common_name.group(1).strip() if common_name else "", subject_names(listed), moment, serial.group(1))


def _reason(stderr: str) -> str:
    """The first line that says what is wrong, in openssl's own words."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if any("bad decrypt" in line or "maybe wrong password" in line or "empty password" in line for line in lines):
        return "the passphrase of the authority does not fit its key; give the one that it was made with"
    return lines[0].split("error:")[-1] if lines else "no message"
