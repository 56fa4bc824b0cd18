// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/prometheus.hpp"

#include <gtest/gtest.h>

namespace hft {
namespace {

TEST(Prometheus, FamiliesSamplesAndEscapes) {
    PrometheusText out;
    out.family("orders_total", "counter", "Orders.");
    out.sample("orders_total", {{"strategy", "a\"b\\c\nd"}, {"status", "sent"}}, std::uint64_t{3});
    out.sample("orders_total", {}, 0.5);
    EXPECT_EQ(out.text(),
              "# HELP orders_total Orders.\n# TYPE orders_total counter\n"
              "orders_total{strategy=\"a\\\"b\\\\c\\nd\",status=\"sent\"} 3\norders_total 0.5\n");
}

TEST(Prometheus, HistogramBucketsAreCumulativeFrom100nsTo100ms) {
    LatencyHistogram h;
    h.observe(100);
    h.observe(101);
    h.observe(kSecond);
    PrometheusText out;
    out.histogram("t_seconds", "T.", h);
    const std::string& text = out.text();
    EXPECT_NE(text.find("t_seconds_bucket{le=\"1e-07\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_bucket{le=\"2e-07\"} 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_bucket{le=\"0.1\"} 2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_count 3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("t_seconds_sum 1.000000201\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace hft
