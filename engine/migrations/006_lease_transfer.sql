-- SPDX-License-Identifier: GPL-3.0-or-later
-- Transfer: the holder hands its rows to a taker that said it is ready. One synchronous transaction for all strategies of
-- a transfer, so either all of them change hands or none. A killed row refuses every step.

SET LOCAL ROLE hft_owner;

-- The last transfer that gave the row to its holder: what the taker's first beat is compared with.
ALTER TABLE public.engine_lease ADD COLUMN IF NOT EXISTS transfer_id text;

-- Who is ready to take which strategy, under which transfer, at the epoch it saw.
CREATE TABLE IF NOT EXISTS public.engine_arm (
    strategy    text   PRIMARY KEY REFERENCES public.engine_lease (strategy) ON DELETE CASCADE,
    transfer_id text   NOT NULL CHECK (transfer_id <> ''),
    taker       text   NOT NULL,
    epoch       bigint NOT NULL
);

-- All strategies or none. A later arm replaces an earlier one: the earlier transfer id fails from then on.
CREATE OR REPLACE FUNCTION public.lease_arm(p_id text, p_taker text, p_strategies text[])
RETURNS SETOF public.engine_arm
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
BEGIN
    PERFORM public.lease_guard();
    -- Shared: no claim, release or kill slips between this look and the write.
    PERFORM 1 FROM public.engine_lease AS l WHERE l.strategy = ANY (p_strategies) ORDER BY l.strategy FOR SHARE;
    SELECT string_agg(s || CASE WHEN l.strategy IS NULL THEN ' has no row'
                                WHEN l.killed THEN ' is killed'
                                WHEN l.holder IS NULL THEN ' is vacant: claim it instead'
                                ELSE ' is held by the taker itself' END, ', ' ORDER BY s) INTO wrong
    FROM unnest(p_strategies) AS s LEFT JOIN public.engine_lease AS l ON l.strategy = s
    WHERE l.strategy IS NULL OR l.killed OR l.holder IS NULL OR l.holder = p_taker;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'lease_arm(%): strategy %', p_id, wrong USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN QUERY
        INSERT INTO public.engine_arm AS a (strategy, transfer_id, taker, epoch)
        SELECT l.strategy, p_id, p_taker, l.epoch FROM public.engine_lease AS l
        WHERE l.strategy = ANY (p_strategies) ORDER BY l.strategy
        ON CONFLICT (strategy) DO UPDATE
        SET transfer_id = excluded.transfer_id, taker = excluded.taker, epoch = excluded.epoch
        RETURNING a.*;
END
$$;

-- Once this is acknowledged, no transfer of that id can reach the taker any more.
CREATE OR REPLACE FUNCTION public.lease_disarm(p_id text, p_taker text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM public.lease_guard();
    DELETE FROM public.engine_arm WHERE transfer_id = p_id AND taker = p_taker;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

-- Hands the rows over: final state, new holder, next epoch, and a notification to the taker. The only NOTIFY of the
-- schema, because it makes commits wait for each other.
-- p_items: [{strategy, epoch, beat, symbol, quantity, average_price, realised, day, day_start, fill_id, ns}]
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

-- The taker's first beat: with its acknowledgement it holds. Rows that moved on or were killed since do not come back.
-- p_items: [{strategy, epoch, beat, symbol}]
CREATE OR REPLACE FUNCTION public.lease_accept(p_id text, p_holder text, p_items jsonb)
RETURNS TABLE (lease public.engine_lease, quantity bigint, average_price double precision, realised_pnl_usd double precision,
               pnl_day integer, pnl_day_start_usd double precision, last_fill_id bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    item record;
BEGIN
    PERFORM public.lease_guard();
    FOR item IN
        SELECT r.* FROM jsonb_to_recordset(p_items) AS r(strategy text, epoch bigint, beat bigint, symbol text) ORDER BY r.strategy
    LOOP
        RETURN QUERY
            WITH held AS (
                UPDATE public.engine_lease AS l
                SET beat = l.beat + 1
                WHERE l.strategy = item.strategy
                  AND l.holder = p_holder AND l.epoch = item.epoch AND l.beat = item.beat AND l.transfer_id = p_id
                  AND NOT l.killed
                RETURNING l)
            SELECT held.l, (p.quantity * 1000000)::bigint, p.average_price, p.realised_pnl_usd,
                   p.pnl_day - date '1970-01-01', p.pnl_day_start_usd, p.last_fill_id
            FROM held LEFT JOIN public.positions AS p ON p.strategy = item.strategy AND p.symbol = item.symbol;
    END LOOP;
END
$$;

GRANT SELECT ON public.engine_arm TO hft_user;

REVOKE ALL ON FUNCTION public.lease_arm(text, text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_disarm(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_transfer(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_accept(text, text, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION public.lease_arm(text, text, text[]) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_disarm(text, text) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_transfer(text, text, text, jsonb) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_accept(text, text, jsonb) TO hft_user;
