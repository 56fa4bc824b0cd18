// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/book.hpp"

namespace hft {

namespace {

template <typename Levels>
void take_out(Levels& levels, Price price, std::uint64_t order_id) {
    const auto level = levels.find(price);
    if (level == levels.end()) return;
    level->second.remove(order_id);
    if (level->second.empty()) levels.erase(level);
}

template <typename Levels>
std::optional<Book::Best> first(const Levels& levels) {
    if (levels.empty()) return std::nullopt;
    return Book::Best{levels.begin()->first, levels.begin()->second.front()};
}

template <typename Levels>
void walk(const Levels& levels, const std::function<bool(const Book::Best&)>& visit) {
    for (const auto& [price, queue] : levels) {
        for (const std::uint64_t id : queue) {
            if (!visit(Book::Best{price, id})) return;
        }
    }
}

}  // namespace

void Book::add(Side side, Price price, std::uint64_t order_id) {
    if (side == Side::buy) {
        bids_[price].push_back(order_id);
    } else {
        asks_[price].push_back(order_id);
    }
}

void Book::remove(Side side, Price price, std::uint64_t order_id) {
    if (side == Side::buy) {
        take_out(bids_, price, order_id);
    } else {
        take_out(asks_, price, order_id);
    }
}

std::optional<Book::Best> Book::best(Side side) const { return side == Side::buy ? first(bids_) : first(asks_); }

void Book::each(Side side, const std::function<bool(const Best&)>& visit) const {
    if (side == Side::buy) {
        walk(bids_, visit);
    } else {
        walk(asks_, visit);
    }
}

}  // namespace hft
