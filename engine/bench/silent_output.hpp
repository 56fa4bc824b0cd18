// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/venue_core.hpp"

namespace hft::bench {

// A venue whose words nobody hears, but for those that a bench overrides.
class SilentOutput : public VenueOutput {
public:
    void log(std::string_view) override {}
    void send(SessionId, const LoginAck&) override {}
    void send(SessionId, const EpochInfo&) override {}
    void send(SessionId, const Accepted&) override {}
    void send(SessionId, const Rejected&) override {}
    void send(SessionId, const Fill&) override {}
    void send(SessionId, const Cancelled&) override {}
    void send(SessionId, const CancelRejected&) override {}
    void send(SessionId, const FenceCancelled&) override {}
    void send(SessionId, const FenceAck&) override {}
    void send(SessionId, const DropCopy&) override {}
    void send(SessionId, const DropCopyEnd&) override {}
};

}  // namespace hft::bench
