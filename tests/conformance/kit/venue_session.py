# SPDX-License-Identifier: GPL-3.0-or-later
"""An order-entry session of the kit's own at the paper venue, to fence an engine from outside."""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass

_VERSION = 3  # as kVersion of engine/io/wire.hpp; a gate compares them
_LOGIN, _FENCE, _LOGIN_ACK, _FENCE_ACK = 1, 4, 16, 24
_HEADER = struct.Struct("<HBB")
# engine, incarnation, account, kind of session (0: order entry)
_LOGIN_BODY = struct.Struct("<32s24s16sB")
# strategy, epoch, last fill
_FENCE_BODY = struct.Struct("<32sQQ")
# strategy, epoch, highest, granted; more follows
_FENCE_ACK_HEAD = struct.Struct("<32sQQ?")
_LIMIT_S = 5.0


@dataclass(frozen=True)
class VenueAddress:
    host: str
    port: int
    account: str


def fence(venue: VenueAddress, strategy: str, epoch: int) -> bool:
    """Whether the venue granted the epoch: every lower one is shut out then."""
    with socket.create_connection((venue.host, venue.port), timeout=_LIMIT_S) as session:
        stream = session.makefile("rb")
        incarnation = secrets.token_hex(8).encode()
        session.sendall(_frame(_LOGIN, _LOGIN_BODY.pack(b"conformance", incarnation, venue.account.encode(), 0)))
        _answer(stream, _LOGIN_ACK)
        # Fills up to the highest id are known: nothing is to be told again.
        session.sendall(_frame(_FENCE, _FENCE_BODY.pack(strategy.encode(), epoch, 2**64 - 1)))
        head = _answer(stream, _FENCE_ACK)
        return bool(_FENCE_ACK_HEAD.unpack_from(head)[3])


def _frame(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _VERSION) + body


def _answer(stream: object, wanted: int) -> bytes:
    while True:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise ConnectionError(f"the venue closed the session of the kit; is it a paper venue of wire version {_VERSION}?")
        size, kind, _ = _HEADER.unpack(head)
        body = stream.read(size - _HEADER.size)
        if kind == wanted:
            return bytes(body)
