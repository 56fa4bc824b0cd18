// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/prometheus.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace hft {

namespace {

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.15g", value);
    return text.data();
}

}  // namespace

void PrometheusText::family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += "# HELP ";
    text_ += name;
    text_ += ' ';
    text_ += help;
    text_ += "\n# TYPE ";
    text_ += name;
    text_ += ' ';
    text_ += type;
    text_ += '\n';
}

void PrometheusText::head(std::string_view name, const Labels& labels) {
    text_ += name;
    char separator = '{';
    for (const auto& [key, value] : labels) {
        text_ += separator;
        text_ += key;
        text_ += "=\"";
        for (const char c : value) {
            if (c == '\n') {
                text_ += "\\n";
                continue;
            }
            if (c == '"' || c == '\\') text_ += '\\';
            text_ += c;
        }
        text_ += '"';
        separator = ',';
    }
    if (labels.size() != 0) text_ += '}';
    text_ += ' ';
}

void PrometheusText::sample(std::string_view name, const Labels& labels, double value) {
    head(name, labels);
    text_ += number(value) + "\n";
}

void PrometheusText::sample(std::string_view name, const Labels& labels, std::uint64_t value) {
    head(name, labels);
    text_ += std::to_string(value) + "\n";
}

void PrometheusText::histogram(std::string_view name, std::string_view help, const LatencyHistogram& histogram) {
    family(name, "histogram", help);
    const std::string bucket = std::string(name) + "_bucket";
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < LatencyHistogram::kBounds.size(); ++i) {
        total += histogram.count(i);
        sample(bucket, {{"le", number(static_cast<double>(LatencyHistogram::kBounds[i]) / 1e9)}}, total);
    }
    total += histogram.count(LatencyHistogram::kBounds.size());
    sample(bucket, {{"le", "+Inf"}}, total);
    sample(std::string(name) + "_sum", {}, static_cast<double>(histogram.sum_ns()) / 1e9);
    sample(std::string(name) + "_count", {}, total);
}

}  // namespace hft
