# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow, thin or cut link between two TCP ends, without the kernel's help.

    python -m lab.relay --listen 127.0.0.1:15432 --to 10.213.77.21:5432 --delay-ms 40 --rate-kib 512

Every byte arrives `delay` after it was sent, in its order, and at most `rate` bytes a second pass in each direction. While the link is
cut nothing passes and nothing is lost, as with packets that are sent again until they arrive; new connections are taken and hear nothing.
Commands on standard input change a running link, one a line: delay MS, rate KIB (0: no limit), cut, mend, reset (ends every connection).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

# What one read takes, and how many of them may be on the way: more would be a link of endless memory, and the sender would never wait.
_CHUNK = 64 * 1024
_ON_THE_WAY = 256


class Relay:
    """One listening end and where it leads; delay_s, rate and cut may be changed while it runs."""

    def __init__(self, to: tuple[str, int], delay_s: float = 0.0, rate: float = 0.0) -> None:
        self.to = to
        self.delay_s = delay_s
        self.rate = rate
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; returns the address, whose port the system chose when none was given."""
        self._server = await asyncio.start_server(self._connected, host, port)
        return self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        await self.reset()

    async def reset(self) -> None:
        """End every connection at once."""
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            await self._open.wait()
            there, back = await asyncio.open_connection(*self.to)
            writers.append(back)
            await asyncio.gather(self._direction(reader, back), self._direction(there, writer))
        except OSError:
            pass  # one end is gone; the other learns it below
        except asyncio.CancelledError:
            pass  # reset(); a server's task that ends as cancelled is complained of by asyncio (Python 3.11)
        finally:
            self._connections.discard(task)
            for one in writers:
                # Not close(): what is still buffered would keep a dead connection open.
                one.transport.abort()

    async def _direction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the sender has ended; the end itself takes as long as the bytes before it."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_ON_THE_WAY)
        taking = asyncio.create_task(self._take(reader, line))
        try:
            await self._give(line, writer)
            await taking
        finally:
            taking.cancel()

    async def _take(self, reader: asyncio.StreamReader, line: asyncio.Queue[tuple[float, bytes]]) -> None:
        chunk = b"."
        while chunk:
            try:
                chunk = await reader.read(_CHUNK)
            except ConnectionError:
                chunk = b""
            await line.put((asyncio.get_running_loop().time(), chunk))

    async def _give(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        free_at = 0.0
        while True:
            sent_at, chunk = await line.get()
            free_at = max(free_at, sent_at)
            if self.rate:
                free_at += len(chunk) / self.rate
            await asyncio.sleep(max(0.0, free_at + self.delay_s - clock()))
            await self._open.wait()
            if not chunk:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()


def command(relay: Relay, line: str) -> str:
    """Change the link as a line says; returns what is wrong with it, or nothing. `reset` is the caller's."""
    words = line.split()
    verb, value = (words[0], words[1] if len(words) == 2 else "") if words else ("", "")
    number = float(value) if value.replace(".", "", 1).isdigit() else -1.0
    if verb == "delay" and number >= 0:
        relay.delay_s = number / 1000
    elif verb == "rate" and number >= 0:
        relay.rate = number * 1024
    elif verb == "cut" and len(words) == 1:
        relay.cut()
    elif verb == "mend" and len(words) == 1:
        relay.mend()
    else:
        return f"{line.strip()!r}: expected delay MS, rate KIB, cut, mend or reset"
    return ""


def _address(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: expected HOST:PORT")
    return host, int(port)


async def _run(given: argparse.Namespace) -> None:
    relay = Relay(given.to, given.delay_ms / 1000, given.rate_kib * 1024)
    host, port = await relay.start(*given.listen)
    print(f"{host}:{port} leads to {given.to[0]}:{given.to[1]}", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "reset":
            await relay.reset()
            continue
        problem = command(relay, line)
        if problem:
            print(f"ERROR: {problem}", file=sys.stderr, flush=True)
    await relay.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), help="HOST:PORT; port 0: one that is free, which is told")
    parser.add_argument("--to", type=_address, required=True, help="HOST:PORT")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--rate-kib", type=float, default=0.0, help="KiB a second in each direction; 0: no limit")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
