/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The smallest strategy there is, in plain C, and the ways to get one wrong. Buys one at every tick; has no on_fill. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hft_strategy.h"

#ifndef ABI
#define ABI HFT_STRATEGY_ABI
#endif

struct hft_strategy {
    const hft_host* host;
};

uint32_t hft_strategy_abi(void) { return ABI; }

size_t hft_strategy_validate(const char* parameters, const hft_limits* limits, hft_report report, void* context) {
    (void)limits;
    if (strcmp(parameters, "{}") == 0) return 0;
    report(context, "", "expected no parameters");
    return 1;
}

hft_strategy* hft_strategy_create(const char* parameters, const hft_host* host, char* error, size_t error_size) {
    (void)parameters;
#ifdef CREATE_FAILS
    (void)host;
    snprintf(error, error_size, "not today");
    return NULL;
#else
    (void)error;
    (void)error_size;
    hft_strategy* self = malloc(sizeof(*self));
    if (self != NULL) self->host = host;
    return self;
#endif
}

#ifndef NO_TICK
void hft_strategy_on_tick(hft_strategy* self, const hft_tick* tick) {
    self->host->place(self->host->context, 0, HFT_BUY, tick->ask, HFT_SCALE);
}
#endif

void hft_strategy_destroy(hft_strategy* self) { free(self); }
