# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.pg_retention import changes, refuse


def _table(name: str = "public.events", keep: int = 30, compress: int = 0, regulatory: bool = False) -> dict:
    return {"table": name, "keep_days": keep, "compress_after_days": compress, "regulatory": regulatory}


def test_what_is_wanted_is_let_pass() -> None:
    refuse([_table()], "timer", "apache", {"public.events"}, "hft_db")
    refuse([_table(compress=1)], "policy", "timescale", {"public.events"}, "hft_db")


@pytest.mark.parametrize(("table", "by", "edition", "said"), [
    (_table(), "policy", "apache", "timescaledb.license is apache"),
    (_table(compress=1), "timer", "apache", "compress_after_days of public.events"),
    (_table("public.x"), "timer", "timescale", "public.x: is no hypertable of hft_db; there are public.events"),
    (_table(regulatory=True), "policy", "timescale", "is regulatory, and a policy drops without an export"),
])
def test_what_cannot_be_is_refused(table: dict, by: str, edition: str, said: str) -> None:
    with pytest.raises(HostError) as wrong:
        refuse([table], by, edition, {"public.events"}, "hft_db")
    assert said in str(wrong.value)


def test_policies_become_as_wanted_and_go_where_a_timer_drops() -> None:
    found = {("public.events", "policy_retention"): 7}
    [(difference, statements)] = changes([_table()], "policy", found)
    assert (difference.before, difference.after) == ("7 days", "30 days")
    assert statements == ["SELECT remove_retention_policy('public.events')",
                          "SELECT add_retention_policy('public.events', INTERVAL '30 days')"]
    [(difference, statements)] = changes([_table()], "timer", found)
    assert (difference.after, statements) == (None, ["SELECT remove_retention_policy('public.events')"])
    assert changes([_table(keep=7)], "policy", found) == []
    [(_difference, statements)] = changes([_table(keep=7, compress=2)], "policy", found)
    assert statements[0] == "ALTER TABLE public.events SET (timescaledb.compress)"
