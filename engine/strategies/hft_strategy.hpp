// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// hft_strategy.h for C++: a reader of parameters, and one macro that exports a class as a strategy library. Needs nothing
// but the standard library.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hft_strategy.h"

namespace hft::strategy {

// One flat JSON object of numbers and truth values, which is all a strategy needs. Every fault is noted, none throws.
class Parameters {
public:
    struct Error {
        std::string pointer;
        std::string text;
    };

    explicit Parameters(std::string_view json) : rest_(json) {
        if (!read_object()) {
            members_.clear();
            errors_.push_back({"", "expected one flat JSON object"});
            broken_ = true;
        }
    }

    // A number within [low, high]; above_low: low itself is not allowed.
    double number(std::string_view key, double fallback, double low, double high, bool above_low = false) {
        const Member* member = take(key);
        if (member == nullptr) return fallback;
        double value = 0;
        const char* const end = member->raw.data() + member->raw.size();
        const auto [stop, code] = std::from_chars(member->raw.data(), end, value);
        const bool is_number = code == std::errc() && stop == end && std::isfinite(value);
        if (is_number && (above_low ? value > low : value >= low) && value <= high) return value;
        fault(key, "expected a number " + std::string(above_low ? "> " : ">= ") + text(low) + " and <= " + text(high) + ", found " +
                       member->raw);
        return fallback;
    }
    std::uint32_t integer(std::string_view key, std::uint32_t fallback, std::uint32_t low, std::uint32_t high) {
        const Member* member = take(key);
        if (member == nullptr) return fallback;
        std::uint32_t value = 0;
        const char* const end = member->raw.data() + member->raw.size();
        const auto [stop, code] = std::from_chars(member->raw.data(), end, value);
        if (code == std::errc() && stop == end && value >= low && value <= high) return value;
        fault(key, "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", found " + member->raw);
        return fallback;
    }
    bool truth(std::string_view key, bool fallback) {
        const Member* member = take(key);
        if (member == nullptr) return fallback;
        if (member->raw == "true" || member->raw == "false") return member->raw == "true";
        fault(key, "expected true or false, found " + member->raw);
        return fallback;
    }
    void fault(std::string_view key, const std::string& what) { errors_.push_back({std::string("/").append(key), what}); }

    // Call it last: what was given and never asked for is an error too.
    const std::vector<Error>& errors() {
        if (!broken_ && !closed_) {
            std::string known;
            for (const std::string& key : asked_) known += (known.empty() ? "" : ", ") + key;
            for (const Member& member : members_) {
                if (!member.taken) fault(member.key, "unknown parameter; known here: " + known);
            }
        }
        closed_ = true;
        return errors_;
    }

private:
    struct Member {
        std::string key;
        std::string raw;
        bool taken = false;
    };

    static std::string text(double value) {
        char buffer[32];
        std::snprintf(buffer, sizeof(buffer), "%g", value);
        return buffer;
    }
    const Member* take(std::string_view key) {
        asked_.emplace_back(key);
        for (Member& member : members_) {
            if (member.key != key) continue;
            member.taken = true;
            return &member;
        }
        return nullptr;
    }
    void blank() {
        while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos) rest_.remove_prefix(1);
    }
    bool eat(char c) {
        blank();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // With its quotes; escapes stay as they are, no parameter has one in its name.
    bool read_string(std::string& out) {
        blank();
        if (rest_.empty() || rest_.front() != '"') return false;
        std::size_t end = 1;
        while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
        if (end >= rest_.size()) return false;
        out = rest_.substr(0, end + 1);
        rest_.remove_prefix(end + 1);
        return true;
    }
    bool read_value(std::string& out) {
        blank();
        if (!rest_.empty() && rest_.front() == '"') return read_string(out);
        std::size_t end = 0;
        while (end < rest_.size() && std::string_view(",}{[] \t\r\n\"").find(rest_[end]) == std::string_view::npos) ++end;
        out = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return end != 0;
    }
    bool read_object() {
        if (!eat('{')) return false;
        if (!eat('}')) {
            do {
                Member member;
                if (!read_string(member.key) || !eat(':') || !read_value(member.raw)) return false;
                member.key = member.key.substr(1, member.key.size() - 2);
                members_.push_back(std::move(member));
            } while (eat(','));
            if (!eat('}')) return false;
        }
        blank();
        return rest_.empty();
    }

    std::string_view rest_;
    std::vector<Member> members_;
    std::vector<std::string> asked_;
    std::vector<Error> errors_;
    bool broken_ = false;
    bool closed_ = false;
};

inline std::int64_t scaled(double value) { return static_cast<std::int64_t>(std::llround(value * HFT_SCALE)); }

// What the exported functions do, for a class T with
//   struct T::Settings, static Settings T::read(Parameters&), T(const Settings&, const hft_host&), on_tick(const hft_tick&) noexcept
// and, where wanted, static void T::check(const Settings&, const hft_limits&, Parameters&) and on_fill(const hft_fill&) noexcept.
template <typename T>
std::size_t validate(const char* json, const hft_limits* limits, hft_report report, void* context) noexcept try {
    Parameters parameters(json);
    const typename T::Settings settings = T::read(parameters);
    if constexpr (requires { T::check(settings, *limits, parameters); }) T::check(settings, *limits, parameters);
    for (const Parameters::Error& error : parameters.errors()) report(context, error.pointer.c_str(), error.text.c_str());
    return parameters.errors().size();
} catch (const std::exception& error) {
    report(context, "", error.what());
    return 1;
}

template <typename T>
hft_strategy* create(const char* json, const hft_host* host, char* error, std::size_t error_size) noexcept try {
    Parameters parameters(json);
    const typename T::Settings settings = T::read(parameters);
    if (!parameters.errors().empty()) {
        std::snprintf(error, error_size, "%s: %s", parameters.errors()[0].pointer.c_str(), parameters.errors()[0].text.c_str());
        return nullptr;
    }
    return reinterpret_cast<hft_strategy*>(new T(settings, *host));
} catch (const std::exception& failure) {
    std::snprintf(error, error_size, "%s", failure.what());
    return nullptr;
}

template <typename T>
void on_fill(hft_strategy* self, const hft_fill* fill) noexcept {
    if constexpr (requires(T& t) { t.on_fill(*fill); }) {
        reinterpret_cast<T*>(self)->on_fill(*fill);
    } else {
        static_cast<void>(self);
        static_cast<void>(fill);
    }
}

}  // namespace hft::strategy

// Once in a library, at namespace scope.
#define HFT_EXPORT_STRATEGY(T)                                                                                                   \
    std::uint32_t hft_strategy_abi() noexcept { return HFT_STRATEGY_ABI; }                                                       \
    std::size_t hft_strategy_validate(const char* p, const hft_limits* l, hft_report r, void* c) noexcept {                      \
        return hft::strategy::validate<T>(p, l, r, c);                                                                           \
    }                                                                                                                            \
    hft_strategy* hft_strategy_create(const char* p, const hft_host* h, char* e, std::size_t n) noexcept {                       \
        return hft::strategy::create<T>(p, h, e, n);                                                                             \
    }                                                                                                                            \
    void hft_strategy_on_tick(hft_strategy* self, const hft_tick* tick) noexcept { reinterpret_cast<T*>(self)->on_tick(*tick); } \
    void hft_strategy_on_fill(hft_strategy* self, const hft_fill* fill) noexcept { hft::strategy::on_fill<T>(self, fill); }      \
    void hft_strategy_destroy(hft_strategy* self) noexcept { delete reinterpret_cast<T*>(self); }
