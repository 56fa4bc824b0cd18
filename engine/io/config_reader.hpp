// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hft {

struct ConfigError {
    std::string pointer;
    std::string text;
};

// Every fault of one file, gathered.
class ConfigErrors {
public:
    void add(const std::string& pointer, const std::string& text) { errors_.push_back({pointer, text}); }
    [[nodiscard]] bool empty() const noexcept { return errors_.empty(); }
    [[nodiscard]] const std::vector<ConfigError>& all() const noexcept { return errors_; }
    // One line an error: <pointer>: <text>.
    [[nodiscard]] std::string text() const;
    // The same in one line, for an answer.
    [[nodiscard]] std::string one_line() const;

private:
    std::vector<ConfigError> errors_;
};

struct NumberRange {
    double low = -std::numeric_limits<double>::max();
    double high = std::numeric_limits<double>::max();
    bool above_low = false;  // low itself is not allowed
};

// One object of a configuration. A reader that finds a fault notes it and goes on with a harmless value.
class ConfigObject {
public:
    // known: the keys this object may have.
    ConfigObject(const nlohmann::json* json, std::string pointer, std::vector<std::string> known, ConfigErrors& errors);

    [[nodiscard]] bool has(const std::string& key) const;
    [[nodiscard]] std::string pointer(const std::string& key) const;
    [[nodiscard]] const nlohmann::json* child(const std::string& key) const;  // required; null after an error
    // A default of nullptr or NaN: the key is required.
    [[nodiscard]] std::string text(const std::string& key, std::size_t max_length, const char* fallback = nullptr) const;
    // Letters, digits, '.', '_' and '-': what may stand in a metric, a log line and a frame.
    [[nodiscard]] std::string name(const std::string& key, std::size_t max_length, const char* fallback = nullptr) const;
    [[nodiscard]] double number(const std::string& key, const NumberRange& range,
                                double fallback = std::numeric_limits<double>::quiet_NaN()) const;
    [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const;
    [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback) const;
    [[nodiscard]] std::string choice(const std::string& key, const std::vector<std::string>& choices, const char* fallback = nullptr) const;
    [[nodiscard]] bool truth(const std::string& key, bool fallback) const;
    // A list of at least one; null after an error.
    [[nodiscard]] const nlohmann::json* list(const std::string& key) const;

private:
    const nlohmann::json* json_;
    std::string pointer_;
    ConfigErrors& errors_;
};

// Reads the file; syntax faults and duplicate keys are errors too. Null when there is nothing to look into.
nlohmann::json read_config_file(const std::string& path, ConfigErrors& errors);
nlohmann::json parse_config(const std::string& text, ConfigErrors& errors);

// Of the known words the one nearest to the given, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);
std::string excerpt(const nlohmann::json& value);

}  // namespace hft
