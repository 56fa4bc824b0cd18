// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/venue_core.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/venue_fixture.hpp"

namespace hft {
namespace {

using test::last_reason;
using test::Venue;

TEST(Venue, RefusesWhatItCannotTake) {
    Venue v;
    v.order(9, Side::buy, 98, 1);
    EXPECT_EQ(last_reason(v), RejectReason::not_logged_in);
    v.order(1, Side::buy, 0, 1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_price);
    v.order(1, Side::buy, 98.001, 1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_price);
    v.order(1, Side::buy, 98, -1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_quantity);
    NewOrder o;
    o.symbol = SymbolName("NONE");
    v.core.on_order(1, o, 5);
    EXPECT_EQ(last_reason(v), RejectReason::unknown_symbol);
    EXPECT_TRUE(v.out.accepted.empty());
}

TEST(Venue, ASeqIsTakenOnce) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.seq = 0;
    v.order(1, Side::buy, 98, 1);
    EXPECT_EQ(last_reason(v), RejectReason::duplicate_seq);
    EXPECT_EQ(v.out.accepted.size(), 1U);
}

TEST(Venue, AMarketableOrderFillsAtTheQuote) {
    Venue v;
    v.order(1, Side::buy, 102, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].price, from_double(101));
    EXPECT_EQ(v.out.fills[0].cumulative, from_double(1));
    EXPECT_EQ(v.core.open_orders(), 0U);
}

TEST(Venue, ATradeFillsInPriceTimeOrderPartlyAndWhole) {
    Venue v;
    v.order(1, Side::buy, 99.5, 1);
    v.order(1, Side::buy, 99.6, 1);
    v.order(1, Side::buy, 99.6, 1);
    v.quote(99, 101, Trade{Side::sell, from_double(1.5)});
    ASSERT_EQ(v.out.fills.size(), 2U);
    EXPECT_EQ(v.out.fills[0].seq, 2U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(1));
    EXPECT_EQ(v.out.fills[1].seq, 3U);
    EXPECT_EQ(v.out.fills[1].quantity, from_double(0.5));
    EXPECT_EQ(v.core.open_orders(), 2U);
}

TEST(Venue, ATradeLeavesOrdersWorseThanTheQuoteAlone) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.quote(99, 101, Trade{Side::sell, from_double(5)});
    EXPECT_TRUE(v.out.fills.empty());
}

TEST(Venue, TheQuoteRunsIntoRestingOrders) {
    Venue v;
    v.order(1, Side::sell, 102, 1);
    v.quote(102.5, 104);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].price, from_double(102));
}

TEST(Venue, OrdersOfTwoAccountsMeetThoseOfOneDoNot) {
    Venue v;
    v.login(2, "green", "2", "other");
    v.order(1, Side::sell, 100, 1, 1, "a");
    v.order(2, Side::buy, 100, 0.4, 1, "b");
    ASSERT_EQ(v.out.fills.size(), 2U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(0.4));
    v.order(1, Side::buy, 100, 1, 1, "c");
    EXPECT_EQ(last_reason(v), RejectReason::self_match);
}

TEST(Venue, AStrategyBelongsToTheAccountThatUsedItFirst) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.login(2, "green", "2", "other");
    v.out.epochs.clear();
    v.order(2, Side::buy, 98, 1, 2);
    EXPECT_EQ(last_reason(v), RejectReason::foreign_account);
    v.fence(2, 9);
    ASSERT_EQ(v.out.acks.size(), 1U);
    EXPECT_FALSE(v.out.acks[0].granted);
    EXPECT_EQ(v.out.acks[0].reason, RejectReason::foreign_account);
    EXPECT_EQ(v.core.highest_epoch(StrategyName("mm")), 1U);
    EXPECT_EQ(v.core.open_orders(), 1U);
    v.login(3, "green", "3", "other");
    EXPECT_TRUE(v.out.epochs.empty()) << "told of another account's strategy";
}

TEST(DropCopy, TellsEverythingOfItsAccountAndNothingElse) {
    Venue v;
    v.login(2, "watch", "1", "main", SessionKind::drop_copy);
    v.login(3, "watch", "2", "other", SessionKind::drop_copy);
    v.order(1, Side::buy, 102, 0.5);
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 2}, 7);
    v.fence(1, 2);
    std::vector<DropCopyKind> kinds;
    for (const auto& [session, copy] : v.out.copies) {
        EXPECT_EQ(session, 2U);
        EXPECT_FALSE(copy.history);
        EXPECT_EQ(copy.holder.view(), "blue/1");
        kinds.push_back(copy.kind);
    }
    using K = DropCopyKind;
    EXPECT_EQ(kinds, (std::vector<K>{K::accepted, K::fill, K::accepted, K::cancelled, K::fence}));
    EXPECT_EQ(v.out.copies[1].second.price, from_double(101));
    EXPECT_EQ(v.out.copies[1].second.order_price, from_double(102));
}

TEST(Venue, CancelAndCancelOfWhatIsGone) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 1}, 7);
    ASSERT_EQ(v.out.cancelled.size(), 1U);
    EXPECT_EQ(v.out.cancelled[0].reason, CancelReason::requested);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 1}, 8);
    EXPECT_EQ(v.out.cancel_rejected.size(), 1U);
}

TEST(Venue, NobodyCancelsAnothersOrder) {
    Venue v;
    v.login(2, "green", "2");
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(2, CancelOrder{StrategyName("mm"), 1, 1}, 7);
    EXPECT_EQ(v.core.open_orders(), 1U);
}

TEST(Venue, DisconnectCancels) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.core.on_disconnect(1, 9);
    EXPECT_EQ(v.core.open_orders(), 0U);
    EXPECT_NE(v.out.lines.back().find("\"disconnected\""), std::string::npos);
}

TEST(Fence, ShutsOutLowerEpochsAndTellsWhatItCancelled) {
    Venue v;
    v.login(2, "green", "2");
    v.order(1, Side::buy, 98, 1, 3);
    v.fence(2, 4);
    ASSERT_EQ(v.out.acks.size(), 1U);
    EXPECT_TRUE(v.out.acks[0].granted);
    EXPECT_EQ(v.out.acks[0].cancelled, 1U);
    ASSERT_EQ(v.out.fence_cancelled.size(), 1U);
    EXPECT_EQ(v.out.fence_cancelled[0].holder.view(), "blue/1");
    EXPECT_EQ(v.out.fence_cancelled[0].epoch, 3U);
    v.order(1, Side::buy, 98, 1, 3);
    EXPECT_EQ(last_reason(v), RejectReason::stale_epoch);
    v.order(2, Side::buy, 98, 1, 4);
    EXPECT_EQ(v.out.accepted.size(), 2U);
}

TEST(Fence, AnEqualEpochOfAnotherIncarnationIsRefused) {
    Venue v;
    v.fence(1, 4);
    v.login(2, "blue", "2");
    v.order(2, Side::buy, 98, 1, 4);
    EXPECT_EQ(last_reason(v), RejectReason::foreign_incarnation);
    v.fence(2, 4);
    EXPECT_FALSE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().highest, 4U);
    v.fence(2, 3);
    EXPECT_FALSE(v.out.acks.back().granted);
    v.fence(1, 4);
    EXPECT_TRUE(v.out.acks.back().granted);
}

TEST(Fence, AHigherEpochOnAnOrderCountsAsSeen) {
    Venue v;
    v.order(1, Side::buy, 98, 1, 9);
    v.fence(1, 8);
    EXPECT_FALSE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().highest, 9U);
}

TEST(Fence, TellsFillsSinceTheLastKnownAndThePosition) {
    Venue v;
    v.order(1, Side::buy, 102, 1);
    v.order(1, Side::sell, 98, 0.25);
    v.login(2, "green", "2");
    v.out.fills.clear();
    v.fence(2, 2, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].fill_id, 2U);
    EXPECT_TRUE(v.out.fills[0].recovered);
    EXPECT_EQ(v.out.fills[0].holder.view(), "blue/1");
    EXPECT_EQ(v.out.acks[0].position, from_double(0.75));
    EXPECT_TRUE(v.out.acks[0].complete);
}

TEST(Fence, ObserveOnlyRecords) {
    Venue v(VenueRules{FenceMode::observe});
    v.fence(1, 4);
    v.login(2, "green", "2");
    v.order(2, Side::buy, 98, 1, 3);
    EXPECT_TRUE(v.out.rejected.empty());
    EXPECT_NE(v.out.lines.back().find("\"stale\":true"), std::string::npos);
    EXPECT_EQ(v.core.highest_epoch(StrategyName("mm")), 4U);
}

TEST(Venue, TheQuoteIsOnlyAsDeepAsItSays) {
    Venue v;
    v.quote(99, 101, {}, 1, 0.3);
    v.order(1, Side::buy, 102, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(0.3));
    EXPECT_EQ(v.out.fills[0].cumulative, from_double(0.3));
    EXPECT_EQ(v.core.open_orders(), 1U) << "the rest waits";
    v.order(1, Side::buy, 102, 1);
    EXPECT_EQ(v.out.fills.size(), 1U) << "the depth was used up";
    v.quote(99, 101, {}, 1, 1);
    // The next quote meets what rests, at its own price and in its order.
    ASSERT_EQ(v.out.fills.size(), 3U);
    EXPECT_EQ(v.out.fills[1].seq, 1U);
    EXPECT_EQ(v.out.fills[1].quantity, from_double(0.7));
    EXPECT_EQ(v.out.fills[1].price, from_double(102));
    EXPECT_EQ(v.out.fills[2].seq, 2U);
    EXPECT_EQ(v.out.fills[2].quantity, from_double(0.3));
    EXPECT_EQ(v.core.open_orders(), 1U);
}

TEST(Venue, ATradeUsesUpTheQuoteToo) {
    Venue v;
    v.quote(99, 101, Trade{Side::buy, from_double(0.8)}, 1, 1);
    v.order(1, Side::buy, 102, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(0.2));
}

TEST(SelfMatch, TheNewestIsRefusedOnlyWhenItWouldReallyMeet) {
    Venue v;
    v.login(2, "other", "1", "other");
    v.order(1, Side::sell, 100.5, 1, 1, "a");
    v.order(2, Side::sell, 100, 1, 1, "b");
    v.order(1, Side::buy, 100.5, 1, 1, "c");
    EXPECT_TRUE(v.out.rejected.empty()) << "the other account's order was enough";
    EXPECT_EQ(v.out.fills.size(), 2U);
    v.order(1, Side::buy, 100.5, 1, 1, "c");
    EXPECT_EQ(last_reason(v), RejectReason::self_match);
    EXPECT_EQ(v.out.fills.size(), 2U);
    v.order(1, Side::buy, 100.4, 1, 1, "c");
    EXPECT_EQ(v.out.rejected.size(), 1U);
}

TEST(SelfMatch, TheOldestIsCancelledAndTheOrderGoesOn) {
    Venue v(VenueRules{FenceMode::enforce, SelfMatch::cancel_oldest});
    v.login(2, "other", "1", "other");
    v.order(1, Side::sell, 100, 1, 1, "a");
    v.order(2, Side::sell, 100, 1, 1, "b");
    v.order(1, Side::buy, 100, 1, 1, "c");
    EXPECT_TRUE(v.out.rejected.empty());
    ASSERT_EQ(v.out.cancelled.size(), 1U);
    EXPECT_EQ(v.out.cancelled[0].strategy.view(), "a");
    EXPECT_EQ(v.out.cancelled[0].reason, CancelReason::self_match);
    ASSERT_EQ(v.out.fills.size(), 2U);
    EXPECT_EQ(v.out.fills[0].strategy.view(), "b");
    EXPECT_EQ(v.out.fills[1].strategy.view(), "c");
    EXPECT_EQ(v.core.open_orders(), 0U);
}

TEST(Venue, ASilentSessionsOrdersAreCancelledWhateverADisconnectDoes) {
    Venue v(VenueRules{FenceMode::enforce, SelfMatch::cancel_newest, false, 1000});
    v.order(1, Side::buy, 98, 1);
    v.core.on_disconnect(1, 9);
    EXPECT_EQ(v.core.open_orders(), 1U);
    v.login(2, "blue", "1");
    v.order(2, Side::buy, 98, 1);
    v.core.on_disconnect(2, 10, CancelReason::heartbeat);
    EXPECT_EQ(v.core.open_orders(), 1U);
    EXPECT_NE(v.out.lines.back().find("\"reason\":\"heartbeat\""), std::string::npos);
    EXPECT_NE(v.out.lines.back().find("\"account\":\"main\""), std::string::npos);
}

TEST(Venue, AnImpairmentRefusesWithoutUsingUpTheSeq) {
    Venue v;
    NewOrder o;
    o.strategy = StrategyName("mm");
    o.symbol = SymbolName("BTC-USD");
    o.epoch = 1;
    o.seq = 1;
    o.price = from_double(98);
    o.quantity = from_double(1);
    v.core.refuse(1, o, 5);
    EXPECT_EQ(last_reason(v), RejectReason::impaired);
    v.core.on_order(1, o, 5);
    EXPECT_EQ(v.out.accepted.size(), 1U);
}

TEST(Fence, LeavesOnlyTheOrdersOfItsOwnSession) {
    Venue v(VenueRules{FenceMode::enforce, SelfMatch::cancel_newest, false, 0});
    v.order(1, Side::buy, 98, 1, 3);
    v.core.on_disconnect(1, 9);
    v.login(2, "blue", "1");
    v.order(2, Side::buy, 97, 1, 3);
    v.fence(2, 3);
    EXPECT_TRUE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().cancelled, 1U);
    EXPECT_EQ(v.core.open_orders(), 1U);
    // Told again until an order under the epoch shows that it was heard.
    v.fence(2, 3);
    EXPECT_EQ(v.out.fence_cancelled.size(), 2U);
    EXPECT_EQ(v.out.acks.back().cancelled, 0U);
    v.order(2, Side::buy, 97, 1, 3);
    v.fence(2, 3);
    EXPECT_EQ(v.out.fence_cancelled.size(), 2U);
}

TEST(Fence, OneOvertakenWhileItsHistoryIsToldIsNotGranted) {
    Venue v;
    v.login(2, "green", "2");
    v.fence(2, 5);
    HistoryRequest late;
    late.kind = HistoryRequest::Kind::fence;
    late.session = 1;
    late.from.strategy = StrategyName("mm");
    late.fence_epoch = 4;
    v.core.on_history_told(late, 0, true, 7);
    EXPECT_FALSE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().reason, RejectReason::stale_epoch);
    EXPECT_EQ(v.out.acks.back().highest, 5U);
}

TEST(Venue, HostileNamesDoNotBreakTheLog) {
    Venue v;
    v.order(1, Side::buy, 98, 1, 1, "a\",\"ev\":\"x\n");
    EXPECT_EQ(v.out.lines.back().find('\n'), std::string::npos);
    EXPECT_NE(v.out.lines.back().find("a\\\",\\\"ev"), std::string::npos);
    v.core.on_drop_copy_request(1, DropCopyRequest{StrategyName("a\",\"ev\":\"x\n"), 0, 0, 0}, 6);
    EXPECT_EQ(v.out.ends.back().told, 1U) << "and are found in it again";
}

}  // namespace
}  // namespace hft
