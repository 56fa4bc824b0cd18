-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 012: engines that hand over without the wait are refused at their rehearsal, before anything is frozen.

SET LOCAL ROLE hft_owner;

DROP FUNCTION IF EXISTS public.lease_settle(text);
DROP FUNCTION IF EXISTS public.lease_hand_over(text, text, text, jsonb, boolean);
ALTER TABLE IF EXISTS public.engine_transfer DROP COLUMN IF EXISTS settled;

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
        told := told || jsonb_build_object('strategy', handed.strategy, 'epoch', handed.epoch, 'beat', handed.beat);
        RETURN NEXT handed;
    END LOOP;
    PERFORM pg_notify('lease_transfer', jsonb_build_object('id', p_id, 'to', p_to, 'rows', told)::text);
END
$$;

DELETE FROM public.schema_version WHERE version = 12;
