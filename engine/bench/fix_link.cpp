// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/fix_link.hpp"

#include <quickfix/Application.h>
#include <quickfix/MessageStore.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>
#include <quickfix/SocketAcceptor.h>
#include <quickfix/SocketInitiator.h>

#include <sstream>

namespace hft {
namespace bench {

namespace {

// Ours beside the standard fields: user-defined tags.
constexpr int kEpochTag = 5001;
constexpr int kTickTag = 5002;
constexpr int kLegTag = 5003;
constexpr int kTimeTag = 5004;

FIX::SessionSettings settings(FixLink::Side side, int port) {
    const bool venue = side == FixLink::Side::venue;
    std::ostringstream text;
    text << "[DEFAULT]\nConnectionType=" << (venue ? "acceptor" : "initiator")
         << "\nStartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=30\nReconnectInterval=1\nUseDataDictionary=N\nSocketNodelay=Y\n"
            "SocketReuseAddress=Y\nResetOnLogon=Y\nPersistMessages=N\nCheckLatency=N\n";
    text << (venue ? "SocketAcceptPort=" : "SocketConnectHost=127.0.0.1\nSocketConnectPort=") << port << "\n";
    text << "[SESSION]\nBeginString=FIX.4.4\nSenderCompID=" << (venue ? "VENUE" : "ENGINE")
         << "\nTargetCompID=" << (venue ? "ENGINE" : "VENUE") << "\n";
    std::istringstream in(text.str());
    return FIX::SessionSettings(in);
}

std::uint64_t whole(const FIX::FieldMap& message, int tag) { return std::stoull(message.getField(tag)); }
double decimal(const FIX::FieldMap& message, int tag) { return FIX::DoubleConvertor::convert(message.getField(tag)); }
void set(FIX::FieldMap& message, int tag, std::uint64_t value) { message.setField(tag, std::to_string(value)); }
void set(FIX::FieldMap& message, int tag, double value) { message.setField(tag, FIX::DoubleConvertor::convert(value)); }
char first(const FIX::FieldMap& message, int tag) { return message.getField(tag)[0]; }

FIX::Message of_type(const char* type) {
    FIX::Message message;
    message.getHeader().setField(FIX::MsgType(type));
    return message;
}

}  // namespace

class FixLink::Impl : public FIX::Application {
public:
    Impl(Side side, int port, FixEvents& events)
        : events_(events),
          settings_(settings(side, port)),
          session_(FIX::BeginString("FIX.4.4"), FIX::SenderCompID(side == Side::venue ? "VENUE" : "ENGINE"),
                   FIX::TargetCompID(side == Side::venue ? "ENGINE" : "VENUE")) {
        if (side == Side::venue) {
            acceptor_.reset(new FIX::SocketAcceptor(*this, store_, settings_));
        } else {
            initiator_.reset(new FIX::SocketInitiator(*this, store_, settings_));
        }
    }
    ~Impl() override {
        if (initiator_) initiator_->stop(true);
        if (acceptor_) acceptor_->stop(true);
    }

    void poll() {
        if (acceptor_) {
            acceptor_->poll();
        } else {
            initiator_->poll();
        }
    }
    void send(FIX::Message& message) { FIX::Session::sendToTarget(message, session_); }

    void onCreate(const FIX::SessionID&) override {}
    void onLogon(const FIX::SessionID&) override { events_.on_logon(); }
    void onLogout(const FIX::SessionID&) override {}
    void toAdmin(FIX::Message&, const FIX::SessionID&) override {}
    void toApp(FIX::Message&, const FIX::SessionID&) throw(FIX::DoNotSend) override {}
    void fromAdmin(const FIX::Message&, const FIX::SessionID&) throw(FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
                                                                     FIX::RejectLogon) override {}
    void fromApp(const FIX::Message& m, const FIX::SessionID&) throw(FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
                                                                     FIX::UnsupportedMessageType) override {
        switch (first(m.getHeader(), FIX::FIELD::MsgType)) {
            case 'S':
                events_.on_quote({m.getField(FIX::FIELD::Symbol), whole(m, FIX::FIELD::QuoteID), decimal(m, FIX::FIELD::BidPx),
                                  decimal(m, FIX::FIELD::OfferPx), decimal(m, FIX::FIELD::BidSize), decimal(m, FIX::FIELD::OfferSize),
                                  static_cast<std::int64_t>(whole(m, kTimeTag))});
                return;
            case 'D':
                events_.on_order({m.getField(FIX::FIELD::Account), m.getField(FIX::FIELD::Symbol), whole(m, kEpochTag),
                                  whole(m, FIX::FIELD::ClOrdID), whole(m, kTickTag), static_cast<int>(whole(m, kLegTag)),
                                  first(m, FIX::FIELD::Side) == '1', decimal(m, FIX::FIELD::Price), decimal(m, FIX::FIELD::OrderQty),
                                  static_cast<std::int64_t>(whole(m, kTimeTag))});
                return;
            case 'F':
                events_.on_cancel({m.getField(FIX::FIELD::Account), whole(m, kEpochTag), whole(m, FIX::FIELD::OrigClOrdID)});
                return;
            case '8': {
                FixReport report{};
                report.type = first(m, FIX::FIELD::ExecType);
                report.strategy = m.getField(FIX::FIELD::Account);
                report.epoch = whole(m, kEpochTag);
                report.seq = whole(m, FIX::FIELD::ClOrdID);
                report.order_id = whole(m, FIX::FIELD::OrderID);
                report.venue_ns = static_cast<std::int64_t>(whole(m, kTimeTag));
                if (report.type == 'F') {
                    report.symbol = m.getField(FIX::FIELD::Symbol);
                    report.exec_id = whole(m, FIX::FIELD::ExecID);
                    report.buy = first(m, FIX::FIELD::Side) == '1';
                    report.price = decimal(m, FIX::FIELD::Price);
                    report.quantity = decimal(m, FIX::FIELD::OrderQty);
                    report.cumulative = decimal(m, FIX::FIELD::CumQty);
                    report.last_price = decimal(m, FIX::FIELD::LastPx);
                    report.last_quantity = decimal(m, FIX::FIELD::LastQty);
                }
                events_.on_report(report);
                return;
            }
            default:
                throw FIX::UnsupportedMessageType();
        }
    }

private:
    FixEvents& events_;
    FIX::SessionSettings settings_;
    FIX::MemoryStoreFactory store_;
    FIX::SessionID session_;
    std::unique_ptr<FIX::SocketAcceptor> acceptor_;
    std::unique_ptr<FIX::SocketInitiator> initiator_;
};

FixLink::FixLink(Side side, int port, FixEvents& events) : impl_(new Impl(side, port, events)) {}
FixLink::~FixLink() = default;

void FixLink::poll() { impl_->poll(); }

void FixLink::send(const FixQuote& quote) {
    FIX::Message m = of_type("S");
    set(m, FIX::FIELD::QuoteID, quote.number);
    m.setField(FIX::FIELD::Symbol, quote.symbol);
    set(m, FIX::FIELD::BidPx, quote.bid);
    set(m, FIX::FIELD::OfferPx, quote.ask);
    set(m, FIX::FIELD::BidSize, quote.bid_quantity);
    set(m, FIX::FIELD::OfferSize, quote.ask_quantity);
    set(m, kTimeTag, static_cast<std::uint64_t>(quote.venue_ns));
    impl_->send(m);
}

void FixLink::send(const FixOrder& order) {
    FIX::Message m = of_type("D");
    set(m, FIX::FIELD::ClOrdID, order.seq);
    m.setField(FIX::FIELD::Account, order.strategy);
    m.setField(FIX::FIELD::Symbol, order.symbol);
    m.setField(FIX::FIELD::Side, order.buy ? "1" : "2");
    m.setField(FIX::FIELD::OrdType, "2");
    set(m, FIX::FIELD::OrderQty, order.quantity);
    set(m, FIX::FIELD::Price, order.price);
    set(m, kEpochTag, order.epoch);
    set(m, kTickTag, order.tick);
    set(m, kLegTag, static_cast<std::uint64_t>(order.leg));
    set(m, kTimeTag, static_cast<std::uint64_t>(order.sent_ns));
    impl_->send(m);
}

void FixLink::send(const FixCancel& cancel) {
    FIX::Message m = of_type("F");
    set(m, FIX::FIELD::OrigClOrdID, cancel.seq);
    m.setField(FIX::FIELD::Account, cancel.strategy);
    set(m, kEpochTag, cancel.epoch);
    impl_->send(m);
}

void FixLink::send(const FixReport& report) {
    FIX::Message m = of_type("8");
    set(m, FIX::FIELD::OrderID, report.order_id);
    set(m, FIX::FIELD::ClOrdID, report.seq);
    m.setField(FIX::FIELD::ExecType, std::string(1, report.type));
    m.setField(FIX::FIELD::Account, report.strategy);
    set(m, kEpochTag, report.epoch);
    set(m, kTimeTag, static_cast<std::uint64_t>(report.venue_ns));
    if (report.type == 'F') {
        set(m, FIX::FIELD::ExecID, report.exec_id);
        m.setField(FIX::FIELD::Symbol, report.symbol);
        m.setField(FIX::FIELD::Side, report.buy ? "1" : "2");
        set(m, FIX::FIELD::Price, report.price);
        set(m, FIX::FIELD::OrderQty, report.quantity);
        set(m, FIX::FIELD::CumQty, report.cumulative);
        set(m, FIX::FIELD::LastPx, report.last_price);
        set(m, FIX::FIELD::LastQty, report.last_quantity);
    }
    impl_->send(m);
}

}  // namespace bench
}  // namespace hft
