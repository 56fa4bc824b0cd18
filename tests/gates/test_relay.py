# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay that slows, thins and cuts links in the lab, on loopback: measures of other tests rest on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lab.relay import Relay, command

_Steps = Callable[[Relay, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def _through(steps: _Steps, delay_s: float = 0.0, rate: float = 0.0) -> Any:
    """Run steps on a connection through a relay to a server that sends everything back and then ends."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(4096):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def run() -> Any:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        relay = Relay(server.sockets[0].getsockname()[:2], delay_s, rate)
        reader, writer = await asyncio.open_connection(*await relay.start())
        try:
            return await asyncio.wait_for(steps(relay, reader, writer), 20)
        finally:
            writer.close()
            await relay.stop()
            server.close()

    return asyncio.run(run())


async def _there_and_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes = b"x") -> float:
    """Seconds until all that was sent is back."""
    begin = time.monotonic()
    writer.write(sent)
    await writer.drain()
    assert await reader.readexactly(len(sent)) == sent
    return time.monotonic() - begin


def test_bytes_pass_unchanged_in_their_order_and_the_end_with_them() -> None:
    sent = bytes(range(256)) * 4000

    async def steps(_relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        _, got = await asyncio.gather(send(), reader.read(-1))
        return got

    assert _through(steps, delay_s=0.01) == sent


def test_a_round_trip_takes_twice_the_delay() -> None:
    async def steps(_relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[float]:
        return [await _there_and_back(reader, writer) for _ in range(5)]

    took = sorted(_through(steps, delay_s=0.04))
    assert took[0] >= 0.08
    assert took[2] < 0.2, "a busy machine may be late, never early"


def test_many_messages_on_the_way_are_delayed_once() -> None:
    """A delay is no pause: what was sent while the first byte travels arrives right after it."""

    async def steps(_relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        begin = time.monotonic()
        for _ in range(20):
            writer.write(b"y" * 10)
            await writer.drain()
            await asyncio.sleep(0.005)
        await reader.readexactly(200)
        return time.monotonic() - begin

    assert 0.2 <= _through(steps, delay_s=0.1) < 1.5


def test_a_rate_is_kept() -> None:
    async def steps(_relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        return await _there_and_back(reader, writer, b"z" * 100_000)

    assert _through(steps, rate=200_000) >= 0.5


def test_a_cut_link_holds_what_is_sent_and_gives_it_when_it_is_mended() -> None:
    async def steps(relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        await _there_and_back(reader, writer)
        relay.cut()
        writer.write(b"held")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        relay.mend()
        return await reader.readexactly(4)

    assert _through(steps) == b"held"


def test_reset_ends_connections_and_takes_new_ones() -> None:
    async def steps(relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        await _there_and_back(reader, writer)
        await relay.reset()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        again = await asyncio.open_connection(*relay._server.sockets[0].getsockname()[:2])
        took = await _there_and_back(*again)
        again[1].close()
        return took

    assert _through(steps) < 5


def test_a_server_that_is_not_there_ends_the_connection() -> None:
    async def run() -> bytes:
        relay = Relay(("127.0.0.1", 1))
        reader, writer = await asyncio.open_connection(*await relay.start())
        try:
            return await asyncio.wait_for(reader.read(1), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            await relay.stop()

    assert asyncio.run(run()) == b""


@pytest.mark.parametrize(("line", "delay_s", "rate"), [("delay 80", 0.08, 0.0), ("rate 12.5", 0.0, 12800.0), ("rate 0", 0.0, 0.0)])
def test_a_command_changes_the_link(line: str, delay_s: float, rate: float) -> None:
    async def run() -> tuple[str, float, float]:
        relay = Relay(("127.0.0.1", 1))
        return command(relay, line), relay.delay_s, relay.rate

    assert asyncio.run(run()) == ("", delay_s, rate)


@pytest.mark.parametrize("line", ["", "delay", "delay x", "delay -1", "cut 5", "faster"])
def test_a_wrong_command_changes_nothing_and_says_what_is_expected(line: str) -> None:
    async def run() -> str:
        return command(Relay(("127.0.0.1", 1)), line)

    assert "expected delay MS, rate KIB, cut, mend or reset" in asyncio.run(run())
