# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that answers, and modules run against it as Ansible runs them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import HTTPServer
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.tests.unit.plugins.modules.module_arguments import patch_module_args
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import PlayedEngine, handler


@pytest.fixture
def played() -> Iterator[tuple[PlayedEngine, EngineApi]]:
    """An engine and the client of its API."""
    one = PlayedEngine()
    server = HTTPServer(("127.0.0.1", 0), handler(one))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one, EngineApi("127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run_module(played: tuple[PlayedEngine, EngineApi], capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """run_module(main, check=False, **options): what the module answers, asked of that engine."""

    def run(main: Callable[[], None], check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"port": played[1].port, "_ansible_check_mode": check, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            main()
        return json.loads(capsys.readouterr().out)

    return run
