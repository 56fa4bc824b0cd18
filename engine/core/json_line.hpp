// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hft {

// One flat JSON object a line, built in place. Text from outside is escaped.
class JsonLine {
public:
    JsonLine& add(std::string_view key, std::string_view value) {
        name(key);
        text_ += '"';
        escape(text_, value);
        text_ += '"';
        return *this;
    }
    JsonLine& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
    JsonLine& add(std::string_view key, std::int64_t value) { return raw(key, std::to_string(value)); }
    JsonLine& add(std::string_view key, std::uint64_t value) { return raw(key, std::to_string(value)); }
    JsonLine& add(std::string_view key, std::uint32_t value) { return raw(key, std::to_string(value)); }
    JsonLine& add(std::string_view key, int value) { return raw(key, std::to_string(value)); }
    JsonLine& add(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
    JsonLine& raw(std::string_view key, std::string_view value) {
        name(key);
        text_ += value;
        return *this;
    }
    [[nodiscard]] std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

    static void escape(std::string& out, std::string_view text) {
        static constexpr char kHex[] = "0123456789abcdef";
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (byte < 0x20 || byte >= 0x7f) {
                out += "\\u00";
                out += kHex[byte >> 4];
                out += kHex[byte & 0xf];
            } else {
                out += c;
            }
        }
    }

private:
    void name(std::string_view key) {
        text_ += text_.empty() ? '{' : ',';
        text_ += '"';
        text_ += key;
        text_ += "\":";
    }
    std::string text_;
};

}  // namespace hft
