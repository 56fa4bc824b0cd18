-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 005. The rows of positions stay; nobody can write them any more.

SET LOCAL ROLE hft_owner;

DROP FUNCTION IF EXISTS public.position_write(text, text, bigint, text, numeric, double precision, double precision, date,
                                              double precision, bigint, timestamptz);

DELETE FROM public.schema_version WHERE version = 5;
