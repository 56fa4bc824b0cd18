-- SPDX-License-Identifier: GPL-3.0-or-later
-- A transfer waits for a standby once. The handover commits on the primary and wakes the taker; the taker's claim, behind it in the log,
-- waits, and with it both stand (docs/adr/008). The giver learns by lease_settle that nothing can bring its row back. Engines of before
-- this version call lease_hand_over with four arguments, which waits as it did.

SET LOCAL ROLE hft_owner;

ALTER TABLE public.engine_transfer ADD COLUMN IF NOT EXISTS settled boolean NOT NULL DEFAULT false;  -- the giver knows that it stands

-- As in 006; the notification also tells up to which fill each state goes, so that the taker can fence ahead of its claim.
CREATE OR REPLACE FUNCTION public.lease_transfer(p_id text, p_from text, p_to text, p_items jsonb)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item   record;
    handed public.engine_lease;
    told   jsonb := '[]';
BEGIN
    PERFORM public.lease_guard();
    FOR item IN
        SELECT r.* FROM jsonb_to_recordset(p_items) AS r(
            strategy text, epoch bigint, beat bigint, symbol text, quantity numeric, average_price double precision,
            realised double precision, day integer, day_start double precision, fill_id bigint, ns bigint)
        ORDER BY r.strategy
    LOOP
        DELETE FROM public.engine_arm AS a
        WHERE a.strategy = item.strategy AND a.transfer_id = p_id AND a.taker = p_to AND a.epoch = item.epoch;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'lease_transfer(%): % is not armed for % at epoch %', p_id, p_to, item.strategy, item.epoch
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'arm the taker again';
        END IF;
        UPDATE public.engine_lease AS l
        SET holder = p_to, epoch = l.epoch + 1, beat = l.beat + 1, transfer_id = p_id
        WHERE l.strategy = item.strategy
          AND l.holder = p_from AND l.epoch = item.epoch AND l.beat = item.beat
          AND NOT l.killed
        RETURNING l.* INTO handed;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'lease_transfer(%): the row of % moved or is killed', p_id, item.strategy
                USING ERRCODE = 'serialization_failure';
        END IF;
        INSERT INTO public.positions AS p (strategy, symbol, epoch, engine, quantity, average_price, realised_pnl_usd,
                                           pnl_day, pnl_day_start_usd, last_fill_id, updated_at)
        VALUES (item.strategy, item.symbol, item.epoch, p_from, item.quantity / 1000000, item.average_price, item.realised,
                date '1970-01-01' + item.day, item.day_start, item.fill_id,
                timestamptz 'epoch' + item.ns / 1000 * interval '1 microsecond')
        ON CONFLICT (strategy, symbol) DO UPDATE
        SET epoch = excluded.epoch, engine = excluded.engine, quantity = excluded.quantity,
            average_price = excluded.average_price, realised_pnl_usd = excluded.realised_pnl_usd,
            pnl_day = excluded.pnl_day, pnl_day_start_usd = excluded.pnl_day_start_usd,
            last_fill_id = excluded.last_fill_id, updated_at = excluded.updated_at
        WHERE (p.epoch, p.last_fill_id) <= (excluded.epoch, excluded.last_fill_id);
        told := told || jsonb_build_object('strategy', handed.strategy, 'epoch', handed.epoch, 'beat', handed.beat,
                                           'fill_id', item.fill_id);
        RETURN NEXT handed;
    END LOOP;
    PERFORM pg_notify('lease_transfer', jsonb_build_object('id', p_id, 'to', p_to, 'rows', told)::text);
END
$$;

-- p_waits false: acknowledged by this server alone.
CREATE OR REPLACE FUNCTION public.lease_hand_over(p_id text, p_from text, p_to text, p_items jsonb, p_waits boolean)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
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
