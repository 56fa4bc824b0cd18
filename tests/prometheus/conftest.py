# SPDX-License-Identifier: GPL-3.0-or-later
"""One Prometheus for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from backfilled import Server, prometheus


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        yield running
