// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/application.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace hft {

namespace {

constexpr std::size_t kCommands = 256;

std::string random_incarnation() {
    std::array<unsigned char, 8> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        // Never seen on a running kernel; the time still tells two starts apart.
        const Nanos now = wall_ns();
        std::memcpy(bytes.data(), &now, sizeof(now));
    }
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : bytes) {
        text += kHex[byte >> 4];
        text += kHex[byte & 0xf];
    }
    return text;
}

}  // namespace

Application::Application(EngineConfig config, std::string config_path, std::string password, std::string version, Log& log)
    : config_(std::move(config)),
      config_file_(std::move(config_path), config_.json()),
      password_(std::move(password)),
      version_(std::move(version)),
      log_(log),
      incarnation_(random_incarnation()),
      holder_(config_.name + "/" + incarnation_),
      started_(boot_ns()),
      kill_switch_(config_.data_dir + "/killswitch.json"),
      reconciliations_(config_.log_dir, [this](const std::string& text,
                                               const std::string& strategy) { report(LogLevel::error, "reconcile", text, strategy); }),
      command_slots_(kCommands),
      strategies_(config_, [this](const Command& c) { command(c); }) {}

Application::~Application() { shut_down(); }

std::string Application::lock_data_dir() {
    const std::string path = config_.data_dir + "/engine.lock";
    lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (!lock_) return "/engine/data_dir: " + path + ": " + std::strerror(errno);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return "/engine/data_dir: another engine runs in " + config_.data_dir;
    // For hft_ctl: whom to signal. Without a number there, it says so.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return "/engine/data_dir: " + path + ": " + std::strerror(errno);
    }
    return {};
}

std::string Application::build() {
    std::vector<StrategySetup> setups;
    std::vector<LeasedStrategy> leased;
    if (std::string error = strategies_.make_configured(setups, leased); !error.empty()) return error;
    std::vector<VenueName> venue_names;
    std::vector<VenueAddress> addresses;
    for (const VenueConfig& v : config_.venues) {
        venue_names.emplace_back(v.name);
        addresses.push_back({v.name, v.host, v.order_port, v.market_data_port, v.account, v.heartbeat_ms * kMillisecond});
    }
    const auto to_log = [this](const char* level, const std::string& text) { log_.write(log_level(level), text); };
    const Nanos margin = static_cast<Nanos>(config_.margin_ms) * kMillisecond;

    commands_ = std::make_unique<CommandRing>(command_counters_, command_slots_.data(), command_slots_.size());
    hot_threads_ = std::make_unique<HotThreads>(config_.hot_path, config_.venues.size(), grants_);
    core_ = std::make_unique<TradingCore>(std::move(setups), std::move(venue_names), HolderName(holder_), hot_threads_->gateway(),
                                          journal_.ring(), *commands_);
    core_->block_on_difference(config_.block_on_difference);
    connector_ = std::make_unique<VenueConnector>(
        std::move(addresses), Login{EngineName(config_.name), Incarnation(incarnation_)}, margin, hot_threads_->transport(),
        [this](const char* level, const std::string& text) { report(log_level(level), "venue", text); });
    writer_ = std::make_unique<FactWriter>(config_.database, password_, journal_.ring(), holder_, to_log);
    store_ = std::make_unique<PgLeaseStore>(config_.database, password_, kSecond, to_log);

    LeaseKeeperSettings settings;
    settings.holder = holder_;
    settings.build = version();
    settings.ttl_ms = config_.ttl_ms;
    settings.times = {static_cast<Nanos>(config_.ttl_ms) * kMillisecond, margin, static_cast<Nanos>(config_.suspect_ms) * kMillisecond};
    settings.beat = static_cast<Nanos>(config_.beat_ms) * kMillisecond;
    settings.drain = kSecond;
    settings.automatic = config_.automatic_failover;
    LeaseKeeperPorts ports;
    ports.command = [this](const Command& c) { command(c); };
    ports.venue_epoch = [this](const std::string& strategy) { return connector_->highest_epoch(strategy); };
    ports.journal_empty = [this] { return writer_->empty(); };
    ports.journal_rest = [this](Nanos at_most) { writer_->rest(at_most); };
    ports.report = [this](const char* level, const std::string& text, const std::string& strategy) {
        report(log_level(level), "lease", text, strategy);
    };
    keeper_ = std::make_unique<LeaseKeeper>(settings, std::move(leased), *store_, *core_, std::move(ports));
    strategies_.connect(*core_, *keeper_);
    return {};
}

std::string Application::start() {
    if (std::string error = HotThreads::refusal(config_.hot_path, isolated_cpus()); !error.empty()) return error;
    if (std::string error = lock_data_dir(); !error.empty()) return error;
    if (std::string error = journal_.open(config_.data_dir + "/journal.bin", config_.database.queue_records); !error.empty()) return error;
    if (std::string error = build(); !error.empty()) return error;
    kill_switch_.load();
    std::vector<std::string> scopes = kill_switch_.strategies();
    scopes.insert(scopes.begin(), "");
    for (const std::string& scope : scopes) {
        const KillState latch = kill_switch_.state(scope);
        if (!latch.latched) continue;
        killed(scope) = true;
        if (!latch.rows_latched) keeper_->latch_rows(latch.reason, scope);
        report(LogLevel::warning, "killswitch", "latched since " + latch.since + ": " + latch.reason, scope);
    }
    probe_huge_pages(grants_);
    lock_memory(grants_);
    if (const std::size_t left = journal_.ring().size(); left != 0)
        report(LogLevel::info, "journal", std::to_string(left) + " facts of an earlier run go to the database first");
    last_moved_ = boot_ns();
    hot_threads_->start(*core_);
    connector_thread_ = std::thread([this] { connector_->run(stop_control_); });
    writer_thread_ = std::thread([this] { writer_->run(stop_writer_, kSecond); });
    keeper_thread_ = std::thread([this] { keeper_->run(stop_control_); });
    return {};
}

void Application::shut_down() {
    if (!hot_threads_ || !hot_threads_->running()) return;
    // A change of role under way ends first.
    RoleAnswer answer;
    for (const Nanos end = boot_ns() + 2 * kSecond; boot_ns() < end;) {
        answer = keeper_->become_standby();
        if (answer.outcome != RoleOutcome::conflict) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (answer.outcome != RoleOutcome::done) report(LogLevel::warning, "lease", "stopped without giving the leases back: " + answer.detail);
    stop_control_ = true;
    keeper_thread_.join();
    connector_thread_.join();
    hot_threads_->stop();
    stop_writer_ = true;
    writer_thread_.join();
}

void Application::command(const Command& command) {
    const std::lock_guard lock(command_mutex_);
    while (!commands_->push(command)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    hot_threads_->wake();
}

std::atomic<bool>& Application::killed(const std::string& strategy) {
    if (const auto loaded = strategies_.find(strategy); loaded) return core_->view(loaded->index).killed;
    // Of all, or of a strategy that is not here: in doubt nothing trades.
    return core_->hot().killed;
}

std::string Application::kill(const std::string& reason, const std::string& strategy) {
    killed(strategy).store(true, std::memory_order_release);
    hot_threads_->wake();
    // Only asks the rows; asked first, so that watch() does not take the rows of an earlier latch for those of this one.
    keeper_->latch_rows(reason, strategy);
    std::string error = kill_switch_.latch(reason, strategy);
    report(LogLevel::error, "killswitch", "latched: " + reason, strategy);
    if (!error.empty()) report(LogLevel::error, "killswitch", "not persisted: " + error, strategy);
    return error;
}

void Application::kill_by_signal() {
    kill_switch_.load();
    const KillState latch = kill_switch_.state();
    static_cast<void>(kill(latch.latched ? latch.reason : "signal SIGUSR1"));
}

RoleAnswer Application::clear_kill(const std::string& reason, const std::string& strategy) {
    // Also where nothing is latched here: rows that another engine latched, one that is gone perhaps, are cleared through any.
    RoleAnswer answer = keeper_->clear_kill(strategy);
    if (answer.outcome != RoleOutcome::done || !kill_switch_.state(strategy).latched) return answer;
    if (std::string error = kill_switch_.clear(strategy); !error.empty()) return {RoleOutcome::unavailable, error, {}, {}};
    std::atomic<bool>& flag = killed(strategy);
    const bool of_all = &flag == &core_->hot().killed;
    if (!of_all || !kill_switch_.state().latched) flag.store(false, std::memory_order_release);
    report(LogLevel::warning, "killswitch", "cleared: " + reason, strategy);
    return {};
}

void Application::report(LogLevel level, const std::string& kind, const std::string& text, const std::string& strategy) {
    log_.write(level, text, strategy);
    if (writer_) writer_->event(kind, strategy, text);
}

void Application::watch() {
    const std::uint64_t turns = core_->hot().turns.load(std::memory_order_relaxed);
    if (std::exchange(last_turns_, turns) != turns) last_moved_ = boot_ns();
    reconciliations_.watch(strategies_, *core_);
    if (!keeper_->rows_latched()) return;
    kill_switch_.rows_latched();
    for (const std::string& strategy : kill_switch_.strategies()) kill_switch_.rows_latched(strategy);
}

bool Application::hot_loop_moves() const { return boot_ns() - last_moved_.load() < kSecond; }

bool Application::venues_up() const {
    for (std::size_t i = 0; i < config_.venues.size(); ++i) {
        if (!core_->venue_up(i)) return false;
    }
    return true;
}

}  // namespace hft
