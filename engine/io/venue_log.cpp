// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/amount.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

// Empty in a log from before accounts.
AccountName account_of(const Json& line) { return AccountName(line.value("account", "")); }

VenueOrder order_of(const Json& line) {
    VenueOrder order;
    order.id = line.at("order_id").get<std::uint64_t>();
    order.holder = HolderName(line.at("holder").get<std::string>());
    order.account = account_of(line);
    order.order.strategy = StrategyName(line.at("strategy").get<std::string>());
    order.order.symbol = SymbolName(line.at("symbol").get<std::string>());
    order.order.epoch = line.at("epoch").get<std::uint64_t>();
    order.order.seq = line.at("seq").get<std::uint64_t>();
    order.order.intent.tick = line.at("tick").get<std::uint64_t>();
    order.order.intent.leg = line.at("leg").get<std::uint8_t>();
    order.order.side = line.at("side") == "buy" ? Side::buy : Side::sell;
    order.order.price = line.at("price").get<Price>();
    order.order.quantity = line.at("qty").get<Quantity>();
    order.order.sent_ns = line.at("sent_ns").get<Nanos>();
    return order;
}

Fill fill_of(const Json& line) {
    const VenueOrder order = order_of(line);
    Fill fill;
    fill.strategy = order.order.strategy;
    fill.symbol = order.order.symbol;
    fill.holder = order.holder;
    fill.epoch = order.order.epoch;
    fill.seq = order.order.seq;
    fill.venue_order_id = order.id;
    fill.fill_id = line.at("fill_id").get<std::uint64_t>();
    fill.intent = order.order.intent;
    fill.side = order.order.side;
    fill.recovered = true;
    fill.order_price = order.order.price;
    fill.order_quantity = order.order.quantity;
    fill.cumulative = line.at("cumulative").get<Quantity>();
    fill.price = line.at("fill_price").get<Price>();
    fill.quantity = line.at("fill_qty").get<Quantity>();
    fill.sent_ns = order.order.sent_ns;
    fill.venue_ns = line.at("t").get<Nanos>();
    return fill;
}

// What no venue writes; a sum of such amounts could overflow.
struct BadAmount {};
void check(bool good) {
    if (!good) throw BadAmount{};
}

void apply(const Json& line, VenueCore& core) {
    const auto& event = line.at("ev").get_ref<const std::string&>();
    if (event == "start" || event == "rotated") {
        const auto last_fill = line.at("last_fill_id").get<std::uint64_t>();
        core.restore_counters(line.at("last_order_id").get<std::uint64_t>(), last_fill, line.at("tick_base").get<std::uint64_t>());
        for (const Json& s : line.at("strategies")) {
            const StrategyName name(s.at("strategy").get<std::string>());
            core.restore_epoch(name, account_of(s), s.at("epoch").get<std::uint64_t>(), HolderName(s.at("holder").get<std::string>()));
            check(plausible_position(s.at("position").get<Quantity>()));
            core.restore_position(name, s.at("position").get<Quantity>(), last_fill);
        }
    } else if (event == "accepted") {
        const VenueOrder order = order_of(line);
        check(amounts({order.order.price, order.order.quantity}));
        core.restore_accepted(order, line.at("venue_tick").get<std::uint64_t>());
    } else if (event == "fill") {
        const Fill fill = fill_of(line);
        check(amounts({fill.cumulative, fill.price, fill.quantity}));
        core.restore_fill(fill);
    } else if (event == "cancelled") {
        core.restore_cancelled(line.at("order_id").get<std::uint64_t>());
    } else if (event == "fence") {
        core.restore_epoch(StrategyName(line.at("strategy").get<std::string>()), account_of(line), line.at("epoch").get<std::uint64_t>(),
                           HolderName(line.at("holder").get<std::string>()));
    }
}

}  // namespace

std::string VenueLog::open() {
    file_ = Fd(::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!file_) return path_ + ": " + std::strerror(errno);
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) return path_ + ": " + std::strerror(errno);
    char last = '\n';
    if (info.st_size > 0 && ::pread(file_.get(), &last, 1, info.st_size - 1) != 1) return path_ + ": " + std::strerror(errno);
    if (last != '\n' && ::write(file_.get(), "\n", 1) != 1) return path_ + ": " + std::strerror(errno);
    return {};
}

std::string VenueLog::replay(VenueCore& core) const {
    std::ifstream in(path_);
    std::string text;
    std::string damaged;  // good only as the last line before a start: the one a crash cut off
    for (std::size_t number = 1; std::getline(in, text); ++number) {
        if (text.empty()) continue;
        const Json line = Json::parse(text, nullptr, false);
        const bool start = line.is_object() && line.value("ev", "") == "start";
        if (!damaged.empty() && !start) return damaged;
        damaged.clear();
        const std::string place = path_ + ":" + std::to_string(number);
        if (line.is_discarded()) {
            damaged = place + ": not a JSON object; restore the log or move it away, knowing that epochs are forgotten then";
            continue;
        }
        try {
            apply(line, core);
        } catch (const Json::exception& error) {
            return place + ": " + error.what();
        } catch (const BadAmount&) {
            return place + ": expected amounts from 0 to " + std::to_string(kMaxAmount) +
                   " millionths and positions up to a thousand times that";
        }
    }
    return {};
}

bool VenueLog::flush() {
    std::size_t done = 0;
    while (done < pending_.size()) {
        const ssize_t n = ::write(file_.get(), pending_.data() + done, pending_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            pending_.erase(0, done);
            return false;
        }
        done += static_cast<std::size_t>(n);
    }
    pending_.clear();
    return true;
}

}  // namespace hft
