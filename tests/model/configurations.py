# SPDX-License-Identifier: GPL-3.0-or-later
"""What is explored: the protocol as it must be, and every way of breaking it that the model must notice."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.rules import Bounds, Rules

_TRADING = frozenset({"trading", "trading after a claim", "trading after a handover"})
_FAULTY = _TRADING | {"trading after a restart", "trading while the standby server is behind", "trading on until the row is read"}
_THAW_FENCED = frozenset({"the beat of A is carried out and answered, it thaws"})
_THAW_TIMED = frozenset({"the beat of A: acknowledged, it thaws"})
_LOSS = frozenset({"trading after lost commits"})
_KILL = frozenset({"shut out by a kill", "trading after a kill"})


@dataclass(frozen=True)
class Configuration:
    name: str
    rules: Rules
    bounds: Bounds
    reaches: frozenset[str] = frozenset()  # situations that must come up, or the model says nothing about them
    rows_too: bool = True  # also the invariants that speak of the rows
    long: bool = False


_FENCED, _TIMED = Rules(fence=True), Rules(fence=False)

CORRECT = (
    Configuration("fenced", _FENCED, Bounds(moves=2, beats=1, faults=1, losses=1), _FAULTY | _THAW_FENCED | _LOSS),
    # The second restore of one copy gives epochs a second time; only the venue's look at the incarnation keeps the two apart.
    Configuration("fenced, one copy restored twice", _FENCED, Bounds(moves=3, beats=0, faults=0, losses=2), _TRADING | _LOSS,
                  rows_too=False),
    Configuration("fenced, epochs raised above all ever given", Rules(fence=True, raised_by_clock=True),
                  Bounds(moves=3, beats=0, faults=0, losses=2), _TRADING | _LOSS, long=True),
    Configuration("fenced, a kill that shuts out", _FENCED, Bounds(moves=2, beats=0, faults=1, kills=1), _TRADING | _KILL),
    Configuration("without a fence", _TIMED, Bounds(moves=2, beats=1, faults=1), _FAULTY | _THAW_TIMED),
    Configuration("without a fence, commits lost", _TIMED, Bounds(moves=1, beats=1, faults=0, losses=1), _TRADING | _LOSS),
    Configuration("fenced, two faults", _FENCED, Bounds(moves=2, beats=1, faults=2, losses=1), _FAULTY | _THAW_FENCED | _LOSS, long=True),
    Configuration("fenced, three moves", _FENCED, Bounds(moves=3, beats=1, faults=1, losses=1), _FAULTY | _THAW_FENCED | _LOSS, long=True),
    Configuration("fenced, kills and lost commits", _FENCED, Bounds(moves=2, beats=0, faults=1, losses=1, kills=1),
                  _TRADING | _LOSS | _KILL, long=True),
    Configuration("without a fence, commits lost and two moves", _TIMED, Bounds(moves=2, beats=1, faults=0, losses=1), _TRADING | _LOSS,
                  long=True),
    Configuration("without a fence, more beats", _TIMED, Bounds(moves=2, beats=2, faults=1), _FAULTY | _THAW_TIMED, long=True),
    Configuration("without a fence, more moves", _TIMED, Bounds(moves=3, beats=1, faults=1), _FAULTY | _THAW_TIMED, long=True),
    Configuration("without a fence, two faults", _TIMED, Bounds(moves=2, beats=1, faults=2), _FAULTY | _THAW_TIMED, long=True),
)

BROKEN = (
    # Without the fence.
    Configuration("renewal counted from the reply", Rules(fence=False, renewal_from_reply=True), Bounds(moves=1, beats=2, faults=0)),
    Configuration("trading on a read", Rules(fence=False, trade_on_read=True), Bounds(moves=2, beats=1, faults=1)),
    Configuration("thaw in doubt", Rules(fence=False, thaw_in_doubt=True), Bounds(moves=2, beats=1, faults=1)),
    Configuration("compare-and-set without the beat", Rules(fence=False, swap_without_beat=True), Bounds(moves=2, beats=1, faults=1)),
    Configuration("no wait before an unfenced takeover trades", Rules(fence=False, no_wait=True), Bounds(moves=2, beats=1, faults=1)),
    Configuration("no wait when the row names the claimer", Rules(fence=False, own_row_without_wait=True),
                  Bounds(moves=2, beats=1, faults=1)),
    Configuration("no wait for a row vacated by a loss", Rules(fence=False, vacated_without_wait=True),
                  Bounds(moves=1, beats=0, faults=0, losses=1)),
    Configuration("given back before the wait was over", Rules(fence=False, released_while_waiting=True),
                  Bounds(moves=3, beats=0, faults=0)),
    Configuration("a claim leaves the handover before it open", Rules(fence=False, claim_keeps_handover=True),
                  Bounds(moves=3, beats=1, faults=1), long=True),
    # With it, and where commits may be lost.
    Configuration("FENCE left out", Rules(fence=True, fence_left_out=True), Bounds(moves=2, beats=0, faults=0, losses=1)),
    Configuration("equal epoch of another incarnation accepted", Rules(fence=True, equal_epoch_accepted=True),
                  Bounds(moves=3, beats=0, faults=0, losses=2), rows_too=False),
    Configuration("epochs not raised after a lossy promotion", Rules(fence=True, epochs_not_raised=True),
                  Bounds(moves=2, beats=0, faults=0, losses=1)),
    Configuration("shut out told before the venue's answer", Rules(fence=True, shut_out_unanswered=True),
                  Bounds(moves=0, beats=0, faults=0, kills=1)),
    Configuration("shutting out taken for a right", Rules(fence=True, shut_out_is_a_right=True),
                  Bounds(moves=2, beats=0, faults=0, kills=1)),
    Configuration("one copy restored twice, rows too", _FENCED, Bounds(moves=3, beats=0, faults=0, losses=2)),
    # With or without.
    Configuration("acknowledged before a standby server has it", Rules(fence=True, answer_without_standby=True),
                  Bounds(moves=2, beats=1, faults=1)),
    Configuration("trading on a read, with the fence", Rules(fence=True, trade_on_read=True), Bounds(moves=2, beats=1, faults=1)),
)
