// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/histogram.hpp"

namespace hft {

// Text exposition format 0.0.4.
class PrometheusText {
public:
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    // Starts a family; its samples follow.
    void family(std::string_view name, std::string_view type, std::string_view help);
    void sample(std::string_view name, const Labels& labels, double value);
    void sample(std::string_view name, const Labels& labels, std::uint64_t value);
    // A whole family in seconds.
    void histogram(std::string_view name, std::string_view help, const LatencyHistogram& histogram);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    void head(std::string_view name, const Labels& labels);
    std::string text_;
};

}  // namespace hft
