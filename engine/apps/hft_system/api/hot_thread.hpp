// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <functional>

namespace hft {

// What the hot thread does at its next turn is seen by the caller of the request that asked for it: waits for it, a second at most.
bool soon(const std::function<bool()>& condition);

}  // namespace hft
