# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, and what a page does in it.

The browser is Debian's, unpacked below build/ and not installed: nothing on the machine changes. It is driven over a pipe by the
DevTools protocol, which needs no other library.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "build" / "chromium"
_PACKAGE = "chromium-headless-shell"
_PROGRAM = Path("usr/lib/chromium/chromium-headless-shell")


def fetch() -> Path:
    """The root below which the browser and what it needs stand; / where it is installed."""
    if (Path("/") / _PROGRAM).exists():
        return Path("/")
    root = _FOLDER / "root"
    if not (_FOLDER / "ready").exists():
        root.mkdir(parents=True, exist_ok=True)
        packages = _packages() or _after_update()
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=_FOLDER, check=True)
        for archive in _FOLDER.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
            archive.unlink()
        (_FOLDER / "ready").touch()
    return root


def _packages() -> list[str]:
    """What an installation would bring to this machine."""
    said = subprocess.run(["apt-get", "-s", "-o", "Debug::NoLocking=1", "install", "--no-install-recommends", _PACKAGE],
                          capture_output=True, text=True)
    return [line.split()[1] for line in said.stdout.splitlines() if line.startswith("Inst ")]


def _after_update() -> list[str]:
    subprocess.run(["apt-get", "-qq", "update"], check=True)
    packages = _packages()
    if not packages:
        raise RuntimeError(f"{_PACKAGE}: apt knows no such package; check the sources of this machine")
    return packages


class Browser:
    """One page. events: what Chromium said about it, by method."""

    def __init__(self, root: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        libraries = root / "usr/lib/x86_64-linux-gnu"
        # The protocol speaks on descriptors 3 and 4.
        launch = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        self._process = subprocess.Popen(
            ["bash", "-c", launch, str(root / _PROGRAM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--window-size=1280,900", f"--user-data-dir={_FOLDER / 'profile'}", "about:blank"],
            pass_fds=(commands, answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{libraries}/pulseaudio"})
        os.close(commands)
        os.close(answers)
        os.set_blocking(self._answers, False)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **({"sessionId": self._session} if self._session else {})}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(20)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, address: str) -> None:
        """Until everything that the page asked for was loaded, and a while longer for what it asks for later."""
        self.events.clear()
        self.ask("Page.navigate", url=address)
        while not self.told("Page.loadEventFired"):
            self._next(20)
        end = time.monotonic() + 1
        while (left := end - time.monotonic()) > 0:
            self._next(left, silent=True)

    def told(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event["method"] == method]

    def value(self, expression: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return answer["result"]["value"]

    def _next(self, limit_s: float, silent: bool = False) -> dict[str, Any]:
        end = time.monotonic() + limit_s
        while b"\0" not in self._buffer:
            try:
                part = os.read(self._answers, 1 << 16)
                if not part:
                    raise RuntimeError(f"Chromium ended with {self._process.wait()}")
                self._buffer += part
            except BlockingIOError:
                if time.monotonic() > end:
                    if silent:
                        return {}
                    raise RuntimeError(f"Chromium said nothing for {limit_s:g} s") from None
                time.sleep(0.005)
        message, _, self._buffer = self._buffer.partition(b"\0")
        read = json.loads(message)
        if "method" in read:
            self.events.append(read)
        return read
