-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 012: engines that hand over without the wait are refused at their rehearsal, before anything is frozen.

SET LOCAL ROLE hft_owner;

DROP FUNCTION IF EXISTS public.lease_settle(text);
DROP FUNCTION IF EXISTS public.lease_hand_over(text, text, text, jsonb, boolean);
ALTER TABLE IF EXISTS public.engine_transfer DROP COLUMN IF EXISTS settled;

DELETE FROM public.schema_version WHERE version = 12;
