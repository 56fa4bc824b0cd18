// SPDX-License-Identifier: GPL-3.0-or-later
#include <csignal>
#include <iostream>

#include "apps/hft_ctl/commands.hpp"

int main(int argc, char** argv) {
    using namespace hft::ctl;
    // OpenSSL writes to its socket without MSG_NOSIGNAL: an engine that hangs up must not end this program before it has spoken.
    std::signal(SIGPIPE, SIG_IGN);
    const Arguments arguments = parse_arguments({argv + 1, argv + argc});
    if (!arguments.error.empty()) {
        std::cerr << "hft_ctl: " << arguments.error << '\n';
        return usage;
    }
    if (arguments.help) {
        std::cout << kHelp;
        return done;
    }
    if (arguments.version) {
        std::cout << "hft_ctl " HFT_VERSION << '\n';
        return done;
    }
    const Engine engine = find_engine(arguments);
    std::cout << engine.note;
    if (arguments.command == "status") return status(engine, arguments);
    if (arguments.command == "kill") return kill(engine, arguments);
    if (arguments.command == "flatten") return flatten(engine, arguments);
    if (arguments.command == "standby") return standby(engine, arguments);
    return journal(engine, arguments);
}
