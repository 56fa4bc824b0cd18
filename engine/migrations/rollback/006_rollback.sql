-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 006. Refuses while a taker is armed: its transfer may be on the way.

DO $$
DECLARE
    armed text;
BEGIN
    IF to_regclass('public.engine_arm') IS NOT NULL THEN
        SELECT string_agg(format('%s for %s', taker, strategy), ', ') INTO armed FROM public.engine_arm;
        IF armed IS NOT NULL THEN
            RAISE EXCEPTION 'a transfer is armed: %', armed USING HINT = 'DELETE /api/v1/arm on the taker first';
        END IF;
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

DROP FUNCTION IF EXISTS public.lease_accept(text, text, jsonb);
DROP FUNCTION IF EXISTS public.lease_transfer(text, text, text, jsonb);
DROP FUNCTION IF EXISTS public.lease_disarm(text, text);
DROP FUNCTION IF EXISTS public.lease_arm(text, text, text[]);
DROP TABLE IF EXISTS public.engine_arm;
ALTER TABLE IF EXISTS public.engine_lease DROP COLUMN IF EXISTS transfer_id;

DELETE FROM public.schema_version WHERE version = 6;
