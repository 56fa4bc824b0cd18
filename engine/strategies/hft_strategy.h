/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a strategy library exports and what the engine gives it. Plain C: a library may be built by another compiler, in
 * another language and against another release. The engine loads <type>.so from its strategies directory and refuses a
 * library whose hft_strategy_abi() is not the number it was built with.
 *
 * Rules for everything below but validate, create and destroy, which run on a control thread:
 * - it runs on the hot thread: no allocation, lock, system call, log or exception;
 * - it is the same on every engine: a decision may depend on the ticks since create, on position() and max_position(), and
 *   on nothing else. No clock, no random number. Two engines that saw the same ticks then form the same intents (tick, leg);
 * - on_tick is called on standby engines too, so that a taker's state is the giver's; place() then answers 0.
 */
#ifndef HFT_STRATEGY_H
#define HFT_STRATEGY_H

#include <stddef.h>
#include <stdint.h>

#define HFT_STRATEGY_ABI 1u

#ifdef __cplusplus
#define HFT_NOEXCEPT noexcept
#define HFT_EXTERN_C extern "C"
#else
#define HFT_NOEXCEPT
#define HFT_EXTERN_C
#endif
#define HFT_STRATEGY_EXPORT HFT_EXTERN_C __attribute__((visibility("default")))

/* Prices and quantities are integers in millionths. */
#define HFT_SCALE 1000000

enum { HFT_BUY = 0, HFT_SELL = 1 };

/* The last leg a strategy may use; the one above is the engine's own, for orders that close a position, and refused. */
#define HFT_MAX_LEG 254

typedef struct hft_tick {
    uint64_t number; /* the venue's, rising by one a tick of the symbol; a gap is a tick this engine did not see */
    int64_t bid;
    int64_t ask;
    int64_t bid_quantity;
    int64_t ask_quantity;
    int64_t venue_ns;
} hft_tick;

typedef struct hft_fill {
    uint64_t fill_id;
    uint64_t tick; /* the intent of the order it belongs to */
    uint8_t leg;
    uint8_t side;
    int64_t price;
    int64_t quantity;
    int64_t position; /* after this fill */
} hft_fill;

/* Limits in force when the parameters are looked at. They may become smaller at run time: ask max_position() then. */
typedef struct hft_limits {
    int64_t max_position;
    double max_notional_usd;
    uint32_t max_open_orders;
    uint32_t max_order_rate_per_s;
} hft_limits;

/* The engine's side. The table outlives the strategy; context goes back unchanged as the first argument. */
typedef struct hft_host {
    uint32_t size; /* sizeof(hft_host) of the engine: a later one may have more at the end */
    void* context;
    /* 1: sent. 0: refused by risk, or this engine has no right to trade now. Only inside on_tick; one order a leg and tick. */
    int (*place)(void* context, uint8_t leg, uint8_t side, int64_t price, int64_t quantity) HFT_NOEXCEPT;
    void (*cancel_all)(void* context) HFT_NOEXCEPT;
    int64_t (*position)(void* context) HFT_NOEXCEPT;
    int64_t (*max_position)(void* context) HFT_NOEXCEPT;
    uint32_t (*open_orders)(void* context) HFT_NOEXCEPT;
} hft_host;

/* One error in the parameters: a JSON pointer within them ("/size", "" for all) and what was expected and found. */
typedef void (*hft_report)(void* context, const char* pointer, const char* text) HFT_NOEXCEPT;

typedef struct hft_strategy hft_strategy; /* the library's own */

/* ---- Exported by every library ---- */

/* Returns HFT_STRATEGY_ABI. */
HFT_STRATEGY_EXPORT uint32_t hft_strategy_abi(void) HFT_NOEXCEPT;
/* Reports every error of the parameters (one JSON object, zero terminated) and returns how many there are. */
HFT_STRATEGY_EXPORT size_t hft_strategy_validate(const char* parameters, const hft_limits* limits, hft_report report,
                                                 void* context) HFT_NOEXCEPT;
/* Null when it cannot be made; the reason is then in error, zero terminated. */
HFT_STRATEGY_EXPORT hft_strategy* hft_strategy_create(const char* parameters, const hft_host* host, char* error,
                                                      size_t error_size) HFT_NOEXCEPT;
HFT_STRATEGY_EXPORT void hft_strategy_on_tick(hft_strategy* self, const hft_tick* tick) HFT_NOEXCEPT;
HFT_STRATEGY_EXPORT void hft_strategy_destroy(hft_strategy* self) HFT_NOEXCEPT;
/* Optional: a fill was booked. Orders cannot be placed here: a fill comes at another time on another engine. */
HFT_STRATEGY_EXPORT void hft_strategy_on_fill(hft_strategy* self, const hft_fill* fill) HFT_NOEXCEPT;

#endif
