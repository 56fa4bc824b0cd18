// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_ctl/arguments.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace hft::ctl {

const char* const kHelp =
    R"(hft_ctl - the engine on this host, from its console. Needs no network, database, Python or control node.

  hft_ctl status                what it is, what it trades, what is wrong
  hft_ctl kill REASON           stop everything now: no order leaves, open ones are cancelled, a restart stays stopped
  hft_ctl flatten REASON        cancel, then close all positions within the limits
  hft_ctl standby               stop trading in good order and give the leases back
  hft_ctl journal               what waits in journal.bin for the database (reads, never writes)

  --config=F        configuration of the engine (/opt/hft_system/config/production.json)
  --environment=F   file with the API tokens (.env beside the configuration's directory); the environment comes first.
                    API_CLIENT_CERTIFICATE and API_CLIENT_KEY there name the files to show where the API asks for them
  --strategy=ID     kill and flatten: this strategy alone
  --all             journal: every record instead of the last 20
  --version, --help

kill asks the control API. When it does not answer within 2 s or refuses, hft_ctl writes the kill flag itself (killswitch.json in
data_dir) and sends the engine SIGUSR1: that works with a hung API and stops all strategies. The latch goes off only by
DELETE /api/v1/killswitch with a reason.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 the engine does not answer, 4 done in part (read what it says).
)";

Arguments parse_arguments(const std::vector<std::string>& words) {
    Arguments arguments;
    std::vector<std::string> plain;
    for (const std::string& word : words) {
        const auto value_of = [&](std::string_view option, std::string& value) {
            if (word.rfind(option, 0) != 0) return false;
            value = word.substr(option.size());
            if (value.empty()) arguments.error = std::string(option) + ": expected a value";
            return true;
        };
        if (word == "--help" || word == "-h") {
            arguments.help = true;
        } else if (word == "--version") {
            arguments.version = true;
        } else if (word == "--all") {
            arguments.all = true;
        } else if (value_of("--config=", arguments.config) || value_of("--environment=", arguments.environment) ||
                   value_of("--strategy=", arguments.strategy)) {
            continue;
        } else if (word.rfind("--", 0) == 0) {
            arguments.error = "unknown option " + word + "; see hft_ctl --help";
        } else {
            plain.push_back(word);
        }
    }
    if (arguments.help || arguments.version || !arguments.error.empty()) return arguments;
    if (plain.empty()) {
        arguments.error = "expected status, kill, flatten, standby or journal; see hft_ctl --help";
        return arguments;
    }
    arguments.command = plain[0];
    // Nobody should have to think of quotes with a market running away.
    for (std::size_t i = 1; i < plain.size(); ++i) arguments.reason += (i > 1 ? " " : "") + plain[i];
    constexpr std::array<std::string_view, 5> kCommands{"status", "kill", "flatten", "standby", "journal"};
    const bool takes_reason = arguments.command == "kill" || arguments.command == "flatten";
    if (std::find(kCommands.begin(), kCommands.end(), arguments.command) == kCommands.end()) {
        arguments.error = "unknown command \"" + arguments.command + "\"; expected status, kill, flatten, standby or journal";
    } else if (takes_reason && arguments.reason.empty()) {
        arguments.error = arguments.command + ": expected a reason, as in: hft_ctl " + arguments.command + " runaway quotes on paper";
    } else if (!takes_reason && !arguments.reason.empty()) {
        arguments.error = arguments.command + ": expected nothing after it, found \"" + arguments.reason + "\"";
    } else if (!takes_reason && !arguments.strategy.empty()) {
        arguments.error = arguments.command + ": --strategy goes with kill and flatten only";
    }
    return arguments;
}

}  // namespace hft::ctl
