# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. SCRAM-SHA-256 verifiers as pg_authid.rolpassword holds them (RFC 5803, RFC 7677).

A password is compared with the stored verifier, and sent as a verifier: it stands in no statement and in no server log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import unicodedata

# The server's own default, scram_iterations.
_ITERATIONS = 4096
_SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")


def verifier(password: str, salt: bytes = b"", iterations: int = _ITERATIONS) -> str:
    """SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, with a fresh salt unless one is given."""
    salt = salt or os.urandom(_SALT_BYTES)
    # What SASLprep (RFC 4013) does to the letters of a password; it leaves ASCII as it is.
    normal = unicodedata.normalize("NFKC", password).encode("utf-8")
    salted = hashlib.pbkdf2_hmac("sha256", normal, salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def fits(password: str, stored: str | None) -> bool:
    """Whether the stored verifier was made from this password; anything that is no such verifier does not fit."""
    parts = _VERIFIER.fullmatch(stored or "")
    if parts is None:
        return False
    iterations, salt = int(parts[1]), base64.b64decode(parts[2])
    return hmac.compare_digest(verifier(password, salt, iterations), stored or "")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
