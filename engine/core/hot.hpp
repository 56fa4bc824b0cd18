// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// A function on the way from tick to order: no allocation, lock, log or exception (tests/hot_path_test.cpp counts).
#if defined(__GNUC__)
#define HFT_HOT __attribute__((hot))
#else
#define HFT_HOT
#endif
