# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Signatures of archives on the control node, by GnuPG, in a file of the archive's name and .asc."""

from __future__ import annotations

import os
import subprocess


def sign(path: str, key: str, signature: str) -> str | None:
    """Write the signature of the file; why that failed, or None. An agent that would ask a person is not waited for."""
    return _said("gpg", "--batch", "--yes", "--armor", "--local-user", key, "--output", signature, "--detach-sign", path)


def unsigned(path: str, keyring: str) -> str | None:
    """One line when no key of the ring signed the file as it is now; None when one did."""
    signature, ring = f"{path}.asc", os.path.abspath(os.path.expanduser(keyring))
    if not os.path.isfile(ring):
        return f"keyring {ring}: is not on the control node; export the public keys there (gpg --export), or correct the path"
    if not os.path.isfile(signature):
        return f"archive {path}: is not signed (no {os.path.basename(signature)} beside it), expected a key of {ring}; nothing was changed"
    said = _said("gpgv", "--keyring", ring, signature, path)
    if said is not None:
        return f"archive {path}: is not as a key of {ring} signed it ({said}); nothing was changed"
    return None


def _said(*argv: str) -> str | None:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return f"{argv[0]} is not installed on the control node"
    except subprocess.TimeoutExpired:
        return f"{argv[0]} waited for somebody"
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]
