-- SPDX-License-Identifier: GPL-3.0-or-later
-- A transfer waits for a standby once. The handover commits on the primary and wakes the taker; the taker's claim, behind it in the log,
-- waits, and with it both stand (docs/adr/008). The giver learns by lease_settle that nothing can bring its row back. Engines of before
-- this version call lease_hand_over with four arguments, which waits as it did.

SET LOCAL ROLE hft_owner;

ALTER TABLE public.engine_transfer ADD COLUMN IF NOT EXISTS settled boolean NOT NULL DEFAULT false;  -- the giver knows that it stands

-- p_waits false: acknowledged by this server alone. The taker is told first, before the notification of 006, up to which fill each state
-- goes: it can fence ahead of its claim.
CREATE OR REPLACE FUNCTION public.lease_hand_over(p_id text, p_from text, p_to text, p_items jsonb, p_waits boolean)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('lease_transfer', jsonb_build_object('id', p_id, 'to', p_to, 'rows', (
        SELECT jsonb_agg(jsonb_build_object('strategy', r.strategy, 'epoch', r.epoch + 1, 'beat', r.beat + 1, 'fill_id', r.fill_id))
        FROM jsonb_to_recordset(p_items) AS r(strategy text, epoch bigint, beat bigint, fill_id bigint)))::text);
    RETURN QUERY SELECT * FROM public.lease_hand_over(p_id, p_from, p_to, p_items);
    -- After the guard inside, which asks for the wait.
    IF NOT p_waits THEN
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
END
$$;

-- A write behind the handover: its acknowledgement says that a standby has both. No row: this server knows of no such handover.
CREATE OR REPLACE FUNCTION public.lease_settle(p_id text)
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY UPDATE public.engine_transfer AS t SET settled = true WHERE t.id = p_id RETURNING t.id;
END
$$;

REVOKE ALL ON FUNCTION public.lease_hand_over(text, text, text, jsonb, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_settle(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION public.lease_hand_over(text, text, text, jsonb, boolean) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_settle(text) TO hft_user;
