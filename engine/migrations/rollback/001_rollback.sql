-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 001. Drops orders, fills, events and positions with their rows: restore them from a backup.
-- schema_version stays: it is the driver's ledger.

SET LOCAL ROLE hft_owner;

DROP TABLE IF EXISTS public.positions;
DROP TABLE IF EXISTS public.events;
DROP TABLE IF EXISTS public.fills;
DROP TABLE IF EXISTS public.orders;
DROP FUNCTION IF EXISTS public.order_status_rank(text);

DELETE FROM public.schema_version WHERE version = 1;
