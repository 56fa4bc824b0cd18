-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 008. Refuses while a taker is armed: its transfer may be on the way. The record of transfers is lost.

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

DROP FUNCTION IF EXISTS public.lease_return(text, text, jsonb);
DROP FUNCTION IF EXISTS public.lease_hand_over(text, text, text, jsonb);
DROP FUNCTION IF EXISTS public.lease_arm_beat(text, text);
DROP FUNCTION IF EXISTS public.lease_arm(text, text, text, text[]);
ALTER TABLE IF EXISTS public.engine_arm DROP COLUMN IF EXISTS beat, DROP COLUMN IF EXISTS build;
DROP TABLE IF EXISTS public.engine_transfer;

DELETE FROM public.schema_version WHERE version = 8;
