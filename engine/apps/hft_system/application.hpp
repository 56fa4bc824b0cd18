// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apps/hft_system/config_file.hpp"
#include "apps/hft_system/kill_switch.hpp"
#include "apps/hft_system/reconciliation_log.hpp"
#include "apps/hft_system/strategy_registry.hpp"
#include "core/lease_keeper.hpp"
#include "core/trading.hpp"
#include "io/engine_config.hpp"
#include "io/fact_file.hpp"
#include "io/fact_writer.hpp"
#include "io/host_grants.hpp"
#include "io/hot_threads.hpp"
#include "io/log.hpp"
#include "io/pg_lease_store.hpp"
#include "io/venue_connector.hpp"

namespace hft {

// The parts of one engine and their threads. Starts standby, with nothing running.
class Application {
public:
    // config_path: the file of the configuration, with strategies/ beside it.
    Application(EngineConfig config, std::string config_path, std::string password, std::string version, Log& log);
    ~Application();
    Application(const Application&) = delete;
    Application& operator=(const Application&) = delete;

    // Empty, or what failed.
    [[nodiscard]] std::string start();
    // Cancels, drains, gives the leases back, ends the threads. Within 5 s.
    void shut_down();

    // To the hot thread, from any other.
    void command(const Command& command);
    // The kill switch of one strategy, or of all: memory, file, rows. Empty, or why a restart would forget it.
    [[nodiscard]] std::string kill(const std::string& reason, const std::string& strategy = {});
    // After a signal that has latched memory already: the reason is in the file, if hft_ctl wrote one.
    void kill_by_signal();
    RoleAnswer clear_kill(const std::string& reason, const std::string& strategy = {});
    void report(LogLevel level, const std::string& kind, const std::string& text, const std::string& strategy = {});
    // Regular work of the main thread: is the hot loop alive, are the rows latched.
    void watch();

    [[nodiscard]] bool hot_loop_moves() const;
    [[nodiscard]] bool venues_up() const;
    [[nodiscard]] Nanos venue_round_trip(std::size_t venue) const noexcept { return hot_threads_->transport().round_trip(venue); }
    [[nodiscard]] bool lease_state_known() const { return keeper_->connected() && keeper_->rows_known(); }

    [[nodiscard]] const EngineConfig& config() const noexcept { return config_; }
    [[nodiscard]] ConfigFile& config_file() noexcept { return config_file_; }
    [[nodiscard]] std::string config_dir() const { return std::filesystem::path(config_file_.path()).parent_path().string(); }
    [[nodiscard]] StrategyRegistry& strategies() noexcept { return strategies_; }
    [[nodiscard]] const std::string& version() const noexcept { return version_; }
    [[nodiscard]] const std::string& holder() const noexcept { return holder_; }
    [[nodiscard]] TradingCore& core() noexcept { return *core_; }
    [[nodiscard]] LeaseKeeper& keeper() noexcept { return *keeper_; }
    [[nodiscard]] FactWriter& writer() noexcept { return *writer_; }
    [[nodiscard]] PgLeaseStore& store() noexcept { return *store_; }
    [[nodiscard]] KillSwitch& kill_switch() noexcept { return kill_switch_; }
    [[nodiscard]] HostGrants& grants() noexcept { return grants_; }
    [[nodiscard]] Nanos started() const noexcept { return started_; }

private:
    [[nodiscard]] std::string lock_data_dir();
    [[nodiscard]] std::string build();
    // The flag of the scope that the hot thread obeys within one turn.
    [[nodiscard]] std::atomic<bool>& killed(const std::string& strategy);

    EngineConfig config_;
    ConfigFile config_file_;
    std::string password_;
    std::string version_;
    Log& log_;
    std::string incarnation_;
    std::string holder_;
    Nanos started_ = 0;
    Fd lock_;
    HostGrants grants_;
    KillSwitch kill_switch_;
    ReconciliationLog reconciliations_;
    FactFile journal_;

    RingCounters command_counters_;
    std::vector<Command> command_slots_;
    std::unique_ptr<CommandRing> commands_;
    std::mutex command_mutex_;

    std::unique_ptr<TradingCore> core_;
    std::unique_ptr<HotThreads> hot_threads_;  // ended before the core they run
    std::unique_ptr<VenueConnector> connector_;
    std::unique_ptr<FactWriter> writer_;
    std::unique_ptr<PgLeaseStore> store_;
    std::unique_ptr<LeaseKeeper> keeper_;

    StrategyRegistry strategies_;

    std::atomic<bool> stop_control_{false};
    std::atomic<bool> stop_writer_{false};
    std::thread connector_thread_;
    std::thread writer_thread_;
    std::thread keeper_thread_;

    std::uint64_t last_turns_ = 0;
    std::atomic<Nanos> last_moved_{0};
};

}  // namespace hft
