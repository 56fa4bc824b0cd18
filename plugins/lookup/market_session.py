# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup that tells whether markets are open, and whether a change can be made now and end in time."""

from __future__ import annotations

DOCUMENTATION = r"""
name: market_session
short_description: Whether markets are open, until when, and whether a change can end before the next boundary
version_added: 0.1.0
author: hft.ops contributors (@hft-ops)
description:
  - Answers from calendars that ship with the collection (sessions in UTC for two years, generated from two libraries that are held
    against each other), laid over by what the site knows better. No network, no library.
  - Beyond the end of a calendar, for an unknown venue or a wrong overlay it fails, and says how to go on. It never guesses.
  - A market that never closes may be changed in its windows of low activity or maintenance.
  - Calendars are there for XNYS, XNAS, CMES, IEPA, XLON, XEUR, XTKS, XHKG, and for the venues that never close BINANCE, BITSTAMP, BYBIT,
    COINBASE, GEMINI, KRAKEN, OKX.
options:
  _terms:
    description: Venues (market identifier codes), or names of O(regions).
    type: list
    elements: str
    required: true
  at:
    description: The moment that is asked for, with its offset, as V(2026-12-24T18:00Z). Now when left out.
    type: str
  budget_s:
    description: Seconds that the change and its rollback may take together; they must end before the next boundary.
    type: float
    default: 0
  before_open_s:
    description: Seconds before an opening that count as open.
    type: float
    default: 9000
  after_close_s:
    description: Seconds after a close that count as open.
    type: float
    default: 900
  use_breaks:
    description: Whether a break within a session is time for a change.
    type: bool
    default: false
  regions:
    description: Venues by region. A region may change when each of its venues may.
    type: dict
    default: {}
  overlay:
    description:
      - What the site knows better, by venue, V(all) for every venue; a dictionary, or the path of a YAML file on the control node.
      - C(closed) (days), C(sessions) (C(day), C(open), C(close), C(breaks); in place of that day's), C(freezes) (C(from), C(to),
        C(reason)), C(low_activity) and C(maintenance) (C(days), C(from), C(to)), O(before_open_s), O(after_close_s), O(use_breaks).
      - Moments without an offset are the venue's own time.
    type: raw
    default: {}
  calendars:
    description: Directory with calendars of your own, V(VENUE.json); they go before those that ship.
    type: path
    default: ''
"""

EXAMPLES = r"""
- name: New York may be changed now, and the change and its rollback end in time
  ansible.builtin.assert:
    that: session.may_change
    fail_msg: "{{ session.reason }}"
  vars:
    session: "{{ lookup('hft.ops.market_session', 'XNYS', budget_s=900, overlay=market_overlay) }}"
    market_overlay:
      XNYS:
        closed: ['2026-12-05']
        freezes: [{from: '2026-12-09T13:00', to: '2026-12-09T16:00', reason: FOMC}]

- name: Every region
  ansible.builtin.debug:
    msg: "{{ query('hft.ops.market_session', *regions, regions=regions, budget_s=900) | hft.ops.text_table(columns) }}"
  vars:
    columns: [region, open, may_change, reason]
    regions: {us_east: [XNYS, CMES], eu_west: [XLON], asia_east: [XTKS, BINANCE]}
"""

RETURN = r"""
_raw:
  description:
    - One dictionary a term. C(venue) (or C(region) with C(venues)), C(at), C(open), C(state) (V(open), V(break), V(closed),
      V(maintenance)), C(flags) of the session (V(early_close), V(late_open), V(differs) where the sources differ), C(next_boundary)
      with C(next_boundary_s) and C(next), C(may_change), C(may_change_at) (the next moment, looked for over 14 days), C(reason).
  type: list
  elements: dict
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.hft.ops.plugins.plugin_utils._market_calendar import CalendarWrong
from ansible_collections.hft.ops.plugins.plugin_utils._market_question import ask

_OPTIONS = ("at", "overlay", "calendars", "regions", "budget_s", "before_open_s", "after_close_s", "use_breaks")


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[dict]:
        self.set_options(var_options=variables, direct=kwargs)
        options = {name: self.get_option(name) for name in _OPTIONS}
        try:
            return [ask(term, **options) for term in terms]
        except CalendarWrong as wrong:
            raise AnsibleLookupError(f"hft.ops.market_session: {wrong}") from None
