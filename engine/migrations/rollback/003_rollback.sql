-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 003.

SET LOCAL ROLE hft_owner;

DROP INDEX IF EXISTS public.events_time_idx;
DROP INDEX IF EXISTS public.fills_strategy_fill_idx;
DROP INDEX IF EXISTS public.fills_time_idx;
DROP INDEX IF EXISTS public.orders_strategy_time_idx;
DROP INDEX IF EXISTS public.orders_time_idx;

DELETE FROM public.schema_version WHERE version = 3;
