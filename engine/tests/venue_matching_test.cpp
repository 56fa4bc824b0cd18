// SPDX-License-Identifier: GPL-3.0-or-later
// The venue's matching against a model that is too simple to be wrong: a list that is searched for the best order each time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/random.hpp"
#include "tests/venue_fixture.hpp"

namespace hft {
namespace {

using test::Venue;

struct Traded {
    std::uint64_t seq = 0;
    Price price = 0;
    Quantity quantity = 0;
    friend bool operator==(const Traded&, const Traded&) = default;
};

class Model {
public:
    struct Order {
        std::uint64_t seq = 0;
        int account = 0;
        Side side = Side::buy;
        Price price = 0;
        Quantity leaves = 0;
    };
    explicit Model(SelfMatch policy) : policy_(policy) {}

    // False: refused, because it would meet its own account.
    bool submit(const Order& order) {
        if (policy_ == SelfMatch::cancel_newest) {
            Model trial = *this;
            if (!trial.run(order, true)) return false;
        }
        run(order, false);
        return true;
    }
    bool cancel(std::uint64_t seq) {
        return std::erase_if(resting, [&](const Order& o) { return o.seq == seq; }) != 0;
    }
    void quote(Price bid_price, Quantity bid_quantity, Price ask_price, Quantity ask_quantity) {
        bid = bid_price;
        ask = ask_price;
        bid_left = bid_quantity;
        ask_left = ask_quantity;
        sweep(Side::buy, ask_left, [&](Price p) { return p >= ask; });
        sweep(Side::sell, bid_left, [&](Price p) { return p <= bid; });
    }
    void trade(Side side, Quantity quantity) {
        const Side other = opposite(side);
        sweep(other, quantity, [&](Price p) { return other == Side::sell ? p <= ask : p >= bid; });
        Quantity& left = other == Side::sell ? ask_left : bid_left;
        left = std::max<Quantity>(0, left - quantity);
    }
    std::vector<Traded> trades;
    std::vector<Order> resting;  // in the order of their coming
    std::uint64_t cancelled = 0;

private:
    static bool better(Side side, Price a, Price b) { return side == Side::buy ? a > b : a < b; }
    std::vector<Order>::iterator best(Side side) {
        auto found = resting.end();
        for (auto it = resting.begin(); it != resting.end(); ++it) {
            if (it->side == side && (found == resting.end() || better(side, it->price, found->price))) found = it;
        }
        return found;
    }
    template <typename F>
    void sweep(Side side, Quantity& quantity, F&& reaches) {
        for (auto it = best(side); quantity > 0 && it != resting.end() && reaches(it->price); it = best(side)) {
            const Quantity q = std::min(quantity, it->leaves);
            trades.push_back({it->seq, it->price, q});
            quantity -= q;
            it->leaves -= q;
            if (it->leaves == 0) resting.erase(it);
        }
    }
    bool run(Order order, bool stop_at_own) {
        const Side other = opposite(order.side);
        const Price quoted = other == Side::sell ? ask : bid;
        Quantity& left = other == Side::sell ? ask_left : bid_left;
        const auto within = [&](Price p) { return order.side == Side::buy ? p <= order.price : p >= order.price; };
        while (order.leaves > 0) {
            const auto it = best(other);
            const bool book = it != resting.end() && within(it->price);
            if (left > 0 && within(quoted) && (!book || better(other, quoted, it->price))) {
                const Quantity q = std::min(order.leaves, left);
                trades.push_back({order.seq, quoted, q});
                order.leaves -= q;
                left -= q;
            } else if (!book) {
                resting.push_back(order);
                return true;
            } else if (it->account == order.account) {
                if (stop_at_own) return false;
                resting.erase(it);
                ++cancelled;
            } else {
                const Quantity q = std::min(order.leaves, it->leaves);
                trades.push_back({it->seq, it->price, q});
                trades.push_back({order.seq, it->price, q});
                order.leaves -= q;
                it->leaves -= q;
                if (it->leaves == 0) resting.erase(it);
            }
        }
        return true;
    }

    SelfMatch policy_;
    Price bid = 0;
    Price ask = std::numeric_limits<Price>::max();
    Quantity bid_left = 0;
    Quantity ask_left = 0;
};

class Matching : public ::testing::TestWithParam<SelfMatch> {};

TEST_P(Matching, EqualsTheModelForRandomOrders) {
    Venue v(VenueRules{FenceMode::enforce, GetParam()});
    Model model(GetParam());
    v.login(2, "b", "1", "b");
    v.login(3, "c", "1", "c");
    static constexpr const char* kStrategies[] = {"s1", "s2", "s3"};
    Random random(GetParam() == SelfMatch::cancel_newest ? 1 : 2);
    const auto draw = [&](std::uint64_t n) { return random.next() % n; };
    model.quote(from_double(99), from_double(1000), from_double(101), from_double(1000));
    std::size_t partial = 0;
    std::size_t whole = 0;
    std::vector<int> account_of{0};
    for (int i = 0; i < 8'000; ++i) {
        const std::uint64_t what = draw(10);
        if (what < 6) {
            const auto account = static_cast<int>(draw(3));
            const Side side = draw(2) == 0 ? Side::buy : Side::sell;
            // Around the quote, so that orders rest, cross and meet.
            const Price price = from_double(98) + static_cast<Price>(draw(17)) * from_double(0.25);
            const Quantity quantity = from_double(0.1) * static_cast<Quantity>(1 + draw(20));
            const std::size_t refused = v.out.rejected.size();
            v.order(static_cast<SessionId>(account + 1), side, to_double(price), to_double(quantity), 1, kStrategies[account]);
            account_of.push_back(account);
            const bool taken = model.submit({v.seq, account, side, price, quantity});
            ASSERT_EQ(v.out.rejected.size() == refused, taken) << "order " << v.seq;
        } else if (what == 6 && v.seq > 0) {
            const std::uint64_t seq = 1 + draw(v.seq);
            const auto account = static_cast<std::size_t>(account_of[seq]);
            const std::size_t before = v.out.cancelled.size();
            v.core.on_cancel(account + 1, CancelOrder{StrategyName(kStrategies[account]), 1, seq}, 5);
            ASSERT_EQ(v.out.cancelled.size() > before, model.cancel(seq));
        } else {
            const double bid = 98.5 + 0.25 * static_cast<double>(draw(5));
            const double ask = bid + 0.25 + 0.25 * static_cast<double>(draw(3));
            const double bid_quantity = 0.1 * static_cast<double>(draw(20));
            const double ask_quantity = 0.1 * static_cast<double>(draw(20));
            std::optional<Trade> trade;
            if (draw(2) == 0) trade = Trade{draw(2) == 0 ? Side::buy : Side::sell, from_double(0.1) * static_cast<Quantity>(1 + draw(20))};
            v.quote(bid, ask, trade, bid_quantity, ask_quantity);
            model.quote(from_double(bid), from_double(bid_quantity), from_double(ask), from_double(ask_quantity));
            if (trade) model.trade(trade->side, trade->quantity);
        }
        ASSERT_EQ(v.out.fills.size(), model.trades.size()) << "step " << i;
        for (std::size_t n = 0; n < model.trades.size(); ++n) {
            const Fill& fill = v.out.fills[n];
            ASSERT_EQ((Traded{fill.seq, fill.price, fill.quantity}), model.trades[n]) << "step " << i;
            (fill.cumulative == fill.order_quantity ? whole : partial)++;
        }
        v.out.fills.clear();
        model.trades.clear();
        ASSERT_EQ(v.core.open_orders(), model.resting.size()) << "step " << i;
        v.out.lines.clear();
    }
    EXPECT_GT(whole, 500U);
    EXPECT_GT(partial, 500U);
    // Both policies had something to do.
    EXPECT_GT(GetParam() == SelfMatch::cancel_oldest ? model.cancelled : v.out.rejected.size(), 100U);
}

INSTANTIATE_TEST_SUITE_P(BothPolicies, Matching, ::testing::Values(SelfMatch::cancel_newest, SelfMatch::cancel_oldest),
                         [](const auto& info) { return info.param == SelfMatch::cancel_newest ? "CancelNewest" : "CancelOldest"; });

}  // namespace
}  // namespace hft
