-- SPDX-License-Identifier: GPL-3.0-or-later
-- Positions are authority: written only under the epoch that the lease row has now.

SET LOCAL ROLE hft_owner;

-- True when written, false when refused for its epoch or because a later fill is already in.
-- FOR SHARE: no claim can slip between the look at the epoch and the write.
CREATE OR REPLACE FUNCTION public.position_write(
    p_strategy text, p_symbol text, p_epoch bigint, p_engine text, p_quantity numeric, p_average_price double precision,
    p_realised_pnl_usd double precision, p_pnl_day date, p_pnl_day_start_usd double precision,
    p_last_fill_id bigint, p_updated_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM public.engine_lease
    WHERE strategy = p_strategy AND epoch = p_epoch FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO public.positions AS p (strategy, symbol, epoch, engine, quantity, average_price, realised_pnl_usd,
                                       pnl_day, pnl_day_start_usd, last_fill_id, updated_at)
    VALUES (p_strategy, p_symbol, p_epoch, p_engine, p_quantity, p_average_price, p_realised_pnl_usd,
            p_pnl_day, p_pnl_day_start_usd, p_last_fill_id, p_updated_at)
    ON CONFLICT (strategy, symbol) DO UPDATE
    SET epoch = excluded.epoch, engine = excluded.engine, quantity = excluded.quantity,
        average_price = excluded.average_price, realised_pnl_usd = excluded.realised_pnl_usd,
        pnl_day = excluded.pnl_day, pnl_day_start_usd = excluded.pnl_day_start_usd,
        last_fill_id = excluded.last_fill_id, updated_at = excluded.updated_at
    WHERE (p.epoch, p.last_fill_id) <= (excluded.epoch, excluded.last_fill_id);
    RETURN FOUND;
END
$$;

REVOKE ALL ON FUNCTION public.position_write(text, text, bigint, text, numeric, double precision, double precision, date,
                                             double precision, bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.position_write(text, text, bigint, text, numeric, double precision, double precision, date,
                                                double precision, bigint, timestamptz) TO hft_user;
