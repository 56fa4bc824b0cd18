// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "apps/hft_ctl/arguments.hpp"
#include "apps/hft_ctl/engine.hpp"

namespace hft::ctl {

// Each says what it did and what to do next, and returns an Exit.
int status(const Engine& engine, const Arguments& arguments);
int kill(const Engine& engine, const Arguments& arguments);
int flatten(const Engine& engine, const Arguments& arguments);
int standby(const Engine& engine, const Arguments& arguments);
int journal(const Engine& engine, const Arguments& arguments);  // journal.cpp

}  // namespace hft::ctl
