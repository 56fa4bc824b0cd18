// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>

#include "core/types.hpp"

namespace hft {

// Resting orders of one symbol in price-time priority, by the venue's order id.
class Book {
public:
    void add(Side side, Price price, std::uint64_t order_id);
    void remove(Side side, Price price, std::uint64_t order_id);

    struct Best {
        Price price = 0;
        std::uint64_t order_id = 0;
    };
    [[nodiscard]] std::optional<Best> best(Side side) const;
    // In priority, until visit says false.
    void each(Side side, const std::function<bool(const Best&)>& visit) const;

private:
    std::map<Price, std::list<std::uint64_t>, std::greater<>> bids_;
    std::map<Price, std::list<std::uint64_t>> asks_;
};

}  // namespace hft
