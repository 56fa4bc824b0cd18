// SPDX-License-Identifier: GPL-3.0-or-later
#include <iomanip>
#include <iostream>
#include <vector>

#include "apps/hft_ctl/commands.hpp"
#include "io/fact_file.hpp"

namespace hft::ctl {

namespace {

constexpr std::size_t kShown = 20;

void print(const Fact& fact) {
    const auto head = [&](const char* kind) {
        std::cout << kind << " " << fact.strategy.view() << " epoch " << fact.epoch << " seq " << fact.seq;
    };
    switch (fact.kind) {
        case FactKind::order:
            head("order");
            std::cout << " " << to_text(fact.side) << " " << to_double(fact.quantity) << " " << fact.symbol.view() << " at "
                      << to_double(fact.price) << ": " << to_text(fact.status);
            break;
        case FactKind::fill:
            head("fill");
            std::cout << " " << to_text(fact.side) << " " << to_double(fact.quantity) << " " << fact.symbol.view() << " at "
                      << to_double(fact.price) << ", fill " << fact.fill_id;
            break;
        case FactKind::position:
            head("position");
            std::cout << " " << to_double(fact.quantity) << " " << fact.symbol.view();
            break;
        case FactKind::event:
            head("event");
            std::cout << " " << to_text(fact.event);
            break;
    }
    std::cout << "\n";
}

}  // namespace

int journal(const Engine& engine, const Arguments& arguments) {
    const std::string path = engine.data_dir + "/journal.bin";
    std::vector<Fact> waiting;
    if (std::string error = read_waiting_facts(path, waiting); !error.empty()) {
        std::cout << error << "\n";
        return refused;
    }
    const std::size_t skipped = arguments.all || waiting.size() <= kShown ? 0 : waiting.size() - kShown;
    if (skipped != 0) std::cout << "(" << skipped << " older ones: --all)\n";
    std::cout << std::setprecision(12);
    for (std::size_t i = skipped; i < waiting.size(); ++i) print(waiting[i]);
    std::cout << waiting.size() << " records wait for the database in " << path << ".\n";
    if (!waiting.empty()) std::cout << "Next: leave the file where it is; the engine writes them when the database is back.\n";
    return done;
}

}  // namespace hft::ctl
