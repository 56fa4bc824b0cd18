// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/hot_threads.hpp"

#include <algorithm>

#include "core/hot_loop.hpp"

namespace hft {

HotThreads::HotThreads(const HotPathConfig& config, std::size_t venues, HostGrants& grants)
    : config_(config), grants_(grants), transport_(venues), writer_(venues) {
    if (config_.layout == HotPathLayout::pipeline) pipeline_.emplace(transport_, writer_, venues, config_.wait);
}

std::string HotThreads::refusal(const HotPathConfig& config, const std::string& isolated) {
    if (config.layout != HotPathLayout::pipeline) return {};
    const std::vector<int> granted = parse_cpu_list(isolated);
    std::string missing;
    for (const int cpu : config.cpus) {
        if (std::find(granted.begin(), granted.end(), cpu) != granted.end()) continue;
        missing += (missing.empty() ? "" : ", ") + std::to_string(cpu);
    }
    if (missing.empty()) return {};
    return "/hot_path/cpus: layout pipeline wants an isolated CPU for each stage, and the kernel's isolated CPUs are \"" + isolated +
           "\": not among them: " + missing + "; isolate them (isolcpus=) or take layout run_to_completion";
}

OrderGateway& HotThreads::gateway() noexcept {
    if (pipeline_) return pipeline_->gateway();
    return writer_;
}

void HotThreads::start(TradingCore& core) {
    const bool spins = config_.wait == WaitMode::spin;
    grants_.affinity = config_.cpu >= 0 || !config_.cpus.empty();
    const auto cpu_of = [this](std::size_t stage) { return stage < config_.cpus.size() ? config_.cpus[stage] : -1; };
    if (!pipeline_) {
        threads_.emplace_back([this, &core, spins] {
            settle_hot_thread(config_.cpu, spins, grants_);
            HotLoop(core, transport_, config_.wait).run(stop_);
        });
        return;
    }
    threads_.emplace_back([this, spins, cpu_of] {
        settle_hot_thread(cpu_of(0), spins, grants_);
        pipeline_->run_feed();
    });
    threads_.emplace_back([this, &core, spins, cpu_of] {
        settle_hot_thread(cpu_of(1), spins, grants_);
        pipeline_->run_trading(core);
    });
    threads_.emplace_back([this, &core, spins, cpu_of] {
        settle_hot_thread(cpu_of(2), spins, grants_);
        pipeline_->run_gateway(core);
    });
}

void HotThreads::wake() noexcept {
    if (!pipeline_ && config_.wait == WaitMode::park) transport_.wake();
}

void HotThreads::stop() {
    if (threads_.empty()) return;
    stop_ = true;
    for (std::size_t i = 0; i < threads_.size(); ++i) {
        if (pipeline_) {
            if (i == 0) pipeline_->stop_feed();
            if (i == 1) pipeline_->stop_trading();
            if (i == 2) pipeline_->stop_gateway();
        }
        threads_[i].join();
    }
    threads_.clear();
}

}  // namespace hft
