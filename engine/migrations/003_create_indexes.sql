-- SPDX-License-Identifier: GPL-3.0-or-later
-- Indexes for what is asked often: the latest rows, and those of one strategy.

SET LOCAL ROLE hft_owner;

CREATE INDEX IF NOT EXISTS orders_time_idx ON public.orders (time DESC);
CREATE INDEX IF NOT EXISTS orders_strategy_time_idx ON public.orders (strategy, time DESC);
CREATE INDEX IF NOT EXISTS fills_time_idx ON public.fills (time DESC);
CREATE INDEX IF NOT EXISTS fills_strategy_fill_idx ON public.fills (strategy, fill_id DESC);
CREATE INDEX IF NOT EXISTS events_time_idx ON public.events (time DESC);
