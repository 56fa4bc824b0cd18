// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_record.hpp"

#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "core/amount.hpp"
#include "core/json_line.hpp"

namespace hft::venue_record {

namespace {

using Json = nlohmann::json;

bool skip(std::string_view& text, std::string_view expected) {
    if (text.substr(0, expected.size()) != expected) return false;
    text.remove_prefix(expected.size());
    return true;
}

bool take_number(std::string_view& text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

// Up to the quote that ends it, which stays.
bool take_text(std::string_view& text, std::string_view& value) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            value = text.substr(0, i);
            text.remove_prefix(i);
            return true;
        }
    }
    return false;
}

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
    order.cumulative = line.value("cumulative", Quantity{0});
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
    fill.cumulative = order.cumulative;
    fill.price = line.at("fill_price").get<Price>();
    fill.quantity = line.at("fill_qty").get<Quantity>();
    fill.sent_ns = order.order.sent_ns;
    fill.venue_ns = line.at("t").get<Nanos>();
    return fill;
}

CancelReason reason_of(const Json& line) {
    const std::string text = line.at("reason").get<std::string>();
    for (const CancelReason reason :
         {CancelReason::fenced, CancelReason::disconnected, CancelReason::heartbeat, CancelReason::self_match}) {
        if (text == to_text(reason)) return reason;
    }
    return CancelReason::requested;
}

FenceCancelled ended_of(const Json& line) {
    const VenueOrder o = order_of(line);
    return {o.order.strategy,         o.order.symbol, o.holder,      o.order.epoch,    o.order.seq,  o.id,
            o.order.intent,           o.order.side,   o.order.price, o.order.quantity, o.cumulative, o.order.sent_ns,
            line.at("t").get<Nanos>()};
}

DropCopy copy_of(DropCopyKind kind, const Json& line) {
    DropCopy copy;
    copy.kind = kind;
    copy.history = true;
    copy.strategy = StrategyName(line.at("strategy").get<std::string>());
    copy.epoch = line.at("epoch").get<std::uint64_t>();
    copy.venue_ns = line.at("t").get<Nanos>();
    copy.holder = HolderName(line.at("holder").get<std::string>());
    if (kind == DropCopyKind::fence) return copy;
    copy.seq = line.at("seq").get<std::uint64_t>();
    copy.venue_order_id = line.at("order_id").get<std::uint64_t>();
    copy.cumulative = line.value("cumulative", Quantity{0});
    if (kind == DropCopyKind::cancelled) copy.reason = reason_of(line);
    // A cancel in an older log does not repeat its order.
    if (!line.contains("symbol")) return copy;
    const NewOrder order = order_of(line).order;
    copy.symbol = order.symbol;
    copy.intent = order.intent;
    copy.side = order.side;
    copy.order_price = order.price;
    copy.order_quantity = order.quantity;
    copy.sent_ns = order.sent_ns;
    if (kind != DropCopyKind::fill) return copy;
    copy.fill_id = line.at("fill_id").get<std::uint64_t>();
    copy.price = line.at("fill_price").get<Price>();
    copy.quantity = line.at("fill_qty").get<Quantity>();
    return copy;
}

void check(bool good) {
    if (!good) throw BadAmount{};
}

VenueOrder checked_order(const Json& line) {
    const VenueOrder order = order_of(line);
    check(amounts({order.order.price, order.order.quantity, order.cumulative}));
    return order;
}

void restore_state(const Json& line, VenueCore& core) {
    const auto last_fill = line.at("last_fill_id").get<std::uint64_t>();
    core.restore_counters(line.at("last_order_id").get<std::uint64_t>(), last_fill, line.at("tick_base").get<std::uint64_t>());
    for (const Json& s : line.at("strategies")) {
        const StrategyName name(s.at("strategy").get<std::string>());
        core.restore_epoch(name, account_of(s), s.at("epoch").get<std::uint64_t>(), HolderName(s.at("holder").get<std::string>()));
        check(plausible_position(s.at("position").get<Quantity>()));
        core.restore_strategy(name, s.value("last_seq", std::uint64_t{0}), s.at("position").get<Quantity>(),
                              s.value("last_fill_id", last_fill));
        for (const Json& order : s.value("ended", Json::array())) core.restore_ended(ended_of(order));
    }
    for (const Json& order : line.value("orders", Json::array())) core.restore_open(checked_order(order));
}

// The number after a key that stands once in the line: text of others is escaped, so it cannot hold one.
std::uint64_t number_after(std::string_view line, std::string_view key) {
    const auto at = line.find(key);
    if (at == std::string_view::npos) return 0;
    line.remove_prefix(at + key.size());
    std::uint64_t value = 0;
    return take_number(line, value) ? value : 0;
}

std::optional<DropCopyKind> kind_of(std::string_view event) {
    if (event == "accepted") return DropCopyKind::accepted;
    if (event == "fill") return DropCopyKind::fill;
    if (event == "cancelled") return DropCopyKind::cancelled;
    if (event == "fence") return DropCopyKind::fence;
    return std::nullopt;
}

}  // namespace

std::optional<Head> head_of(std::string_view line) {
    Head head;
    std::uint64_t time = 0;
    if (!skip(line, "{\"t\":") || !take_number(line, time) || !skip(line, ",\"ev\":\"") || !take_text(line, head.event))
        return std::nullopt;
    // An event of no strategy ends here.
    if (!skip(line, "\",\"strategy\":\"") || !take_text(line, head.strategy)) return head;
    if (skip(line, "\",\"epoch\":") && take_number(line, head.epoch) && skip(line, ",\"seq\":")) take_number(line, head.seq);
    return head;
}

bool is_state(std::string_view event) { return event == "state" || event == "start" || event == "rotated"; }

void restore(const Json& line, VenueCore& core) {
    const auto& event = line.at("ev").get_ref<const std::string&>();
    if (is_state(event)) {
        restore_state(line, core);
    } else if (event == "accepted") {
        core.restore_accepted(checked_order(line), line.at("venue_tick").get<std::uint64_t>(), line.value("stale", false));
    } else if (event == "fill") {
        const Fill fill = fill_of(line);
        check(amounts({fill.cumulative, fill.price, fill.quantity}));
        core.restore_fill(fill);
    } else if (event == "cancelled") {
        core.restore_cancelled(line.at("order_id").get<std::uint64_t>(), is_unasked(reason_of(line)), line.at("t").get<Nanos>());
    } else if (event == "fence") {
        core.restore_epoch(StrategyName(line.at("strategy").get<std::string>()), account_of(line), line.at("epoch").get<std::uint64_t>(),
                           HolderName(line.at("holder").get<std::string>()));
    }
}

bool before(std::string_view state_line, const HistoryRequest& request) {
    const Json line = Json::parse(state_line, nullptr, false);
    if (!line.is_object()) return false;
    try {
        for (const Json& s : line.at("strategies")) {
            if (s.at("strategy").get_ref<const std::string&>() != request.from.strategy.view()) continue;
            // An older record knows the last fill of all strategies alone, and no seq.
            const auto fill = s.value("last_fill_id", line.at("last_fill_id").get<std::uint64_t>());
            if (fill > request.from.last_fill_id) return false;
            if (request.kind == HistoryRequest::Kind::fence) return true;
            const auto seq = s.value("last_seq", std::numeric_limits<std::uint64_t>::max());
            return std::pair(s.at("epoch").get<std::uint64_t>(), seq) <= std::pair(request.from.epoch, request.from.seq);
        }
    } catch (const Json::exception&) {
        return false;
    }
    return true;  // it was not known then
}

bool tell(std::string_view text, const HistoryRequest& request, VenueOutput& output) {
    const auto head = head_of(text);
    if (!head) return false;
    const auto kind = kind_of(head->event);
    const bool fence = request.kind == HistoryRequest::Kind::fence;
    if (!kind || (fence && kind != DropCopyKind::fill)) return false;
    std::string strategy;
    JsonLine::escape(strategy, request.from.strategy.view());
    if (head->strategy != strategy) return false;
    if (kind == DropCopyKind::fill) {
        if (number_after(text, "\"fill_id\":") <= request.from.last_fill_id) return false;
    } else if (kind == DropCopyKind::fence) {
        if (head->epoch <= request.from.epoch) return false;
    } else if (std::pair(head->epoch, head->seq) <= std::pair(request.from.epoch, request.from.seq)) {
        return false;
    }
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) return false;
    try {
        if (fence) {
            output.send(request.session, fill_of(line));
        } else {
            output.send(request.session, copy_of(*kind, line));
        }
    } catch (const Json::exception&) {
        return false;
    }
    return true;
}

}  // namespace hft::venue_record
