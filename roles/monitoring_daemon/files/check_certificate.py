# SPDX-License-Identifier: GPL-3.0-or-later
"""check_certificate.py USER CERTIFICATE KEY: whether USER can serve with them; without such a user on this host nothing is known yet."""

from __future__ import annotations

import os
import pwd
import ssl
import sys


def main(user: str, certificate: str, key: str) -> str | None:
    """Why they cannot be served, or None."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        return None
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as wrong:
        return f"certificate {certificate}, key {key}: {wrong.strerror or wrong}, as user {user}"
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
