# SPDX-License-Identifier: GPL-3.0-or-later
"""What one exploration assumes: the rules that the parties follow, and how much may happen."""

from __future__ import annotations

from dataclasses import dataclass

# Time, where it counts at all, in ticks of the margin. A right lasts TTL - MARGIN from when its request was sent.
TTL = 3
MARGIN = 1
# Above every epoch that one exploration hands out between two losses.
EPOCH_JUMP = 100


@dataclass(frozen=True)
class Rules:
    """The correct protocol by default; each other flag breaks or replaces one rule."""

    fence: bool  # the venue refuses what is below the highest epoch it has seen; no clock is needed then, and none is modelled

    # Rules of every venue.
    thaw_in_doubt: bool = False  # the giver trades on although its handover may stand
    swap_without_beat: bool = False  # the handover compares holder and epoch alone
    trade_on_read: bool = False  # a row that names the reader is taken for a right
    answer_without_standby: bool = False  # a commit is acknowledged before a standby has it
    # Rules without a fence.
    renewal_from_reply: bool = False  # a right is counted from when the answer came
    no_wait: bool = False  # a takeover trades before the old right ran out
    own_row_without_wait: bool = False  # no wait when the row names the claimer already
    claim_keeps_handover: bool = False  # a claimed row can still be accepted under an earlier handover
    released_while_waiting: bool = False  # a claimer that gives up before its wait is over leaves a row that looks given back
    vacated_without_wait: bool = False  # no wait when the row was vacated by a promotion that lost commits
    # Rules of the fence.
    fence_left_out: bool = False  # trades on the acknowledgement alone
    equal_epoch_accepted: bool = False  # the venue looks at the epoch, not at who uses it
    # Rules of a kill that shuts a silent holder out at the venue, without a successor.
    shut_out_unanswered: bool = False  # it is told as done when the fence was sent, not when the venue granted it
    shut_out_is_a_right: bool = False  # the engine that fenced trades on that alone
    # Rules of a promotion that lost commits.
    epochs_not_raised: bool = False
    raised_by_clock: bool = False  # epochs above every one ever given, instead of a fixed step above what survived

    @property
    def timed(self) -> bool:
        return not self.fence


@dataclass(frozen=True)
class Bounds:
    """How much may happen; within these bounds everything that can happen is tried, in every order."""

    moves: int  # claims, handovers and releases that are asked for
    beats: int
    faults: int  # of any kind, see README
    losses: int = 0  # promotions that lose acknowledged commits
    kills: int = 0  # kill switches pressed on an engine that does not hold

    def text(self) -> str:
        return f"{self.moves}, {self.beats}, {self.faults}, {self.losses}, {self.kills}"
