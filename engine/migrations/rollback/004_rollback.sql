-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 004. Refuses while a strategy has a holder: without its row an engine loses the right to trade.

DO $$
DECLARE
    held text;
BEGIN
    IF to_regclass('public.engine_lease') IS NOT NULL THEN
        SELECT string_agg(format('%s by %s', strategy, holder), ', ') INTO held
        FROM public.engine_lease WHERE holder IS NOT NULL;
        IF held IS NOT NULL THEN
            RAISE EXCEPTION 'engine_lease is held: %', held
                USING HINT = 'make the holders standby first: PUT /api/v1/config {"role":"standby"}';
        END IF;
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

DROP FUNCTION IF EXISTS public.lease_unkill(text, bigint, bigint);
DROP FUNCTION IF EXISTS public.lease_kill(text, text);
DROP FUNCTION IF EXISTS public.lease_release(text, text, bigint, bigint);
DROP FUNCTION IF EXISTS public.lease_beat(text, text, bigint, bigint);
DROP FUNCTION IF EXISTS public.lease_claim(text, text, bigint, bigint, text, bigint, integer, text[]);
DROP FUNCTION IF EXISTS public.lease_register(text, integer, text[]);
DROP FUNCTION IF EXISTS public.lease_guard();
DROP TABLE IF EXISTS public.engine_lease;

DELETE FROM public.schema_version WHERE version = 4;
