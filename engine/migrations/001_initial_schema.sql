-- SPDX-License-Identifier: GPL-3.0-or-later
-- Facts (orders, fills, events), authority (positions) and the ledger of migrations.
--
-- Every file here runs inside one transaction that the driver opens; the driver also records the file in
-- schema_version. The database and the roles hft_owner and hft_user exist before; everything made here belongs to hft_owner.

DO $$
BEGIN
    IF to_regrole('hft_owner') IS NULL OR to_regrole('hft_user') IS NULL THEN
        RAISE EXCEPTION 'roles hft_owner and hft_user must exist before migration 001'
            USING HINT = 'create them first: the database role of the deployment does';
    END IF;
    IF NOT has_schema_privilege('hft_owner', 'public', 'CREATE') THEN
        GRANT CREATE, USAGE ON SCHEMA public TO hft_owner;
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.schema_version (
    version     integer     PRIMARY KEY,
    description text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    sha256      text        NOT NULL
);

-- How far an order is known to have come. A later report never takes a row back.
CREATE OR REPLACE FUNCTION public.order_status_rank(p_status text) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE p_status
        WHEN 'sent' THEN 0
        WHEN 'accepted' THEN 1
        WHEN 'partially_filled' THEN 2
        WHEN 'unknown' THEN 3
        ELSE 4
    END::smallint
$$;

-- One row an order. time is the engine's send time (sent_ns to the microsecond), echoed by the venue, never now().
CREATE TABLE IF NOT EXISTS public.orders (
    time            timestamptz    NOT NULL,
    strategy        text           NOT NULL,
    epoch           bigint         NOT NULL,
    engine          text           NOT NULL,
    seq             bigint         NOT NULL,
    sent_ns         bigint         NOT NULL,
    venue           text           NOT NULL,
    symbol          text           NOT NULL,
    side            text           NOT NULL CHECK (side IN ('buy', 'sell')),
    price           numeric(20, 6) NOT NULL,
    quantity        numeric(20, 6) NOT NULL,
    filled_quantity numeric(20, 6) NOT NULL DEFAULT 0,
    status          text           NOT NULL CHECK (status IN ('sent', 'accepted', 'partially_filled', 'unknown',
                                                              'filled', 'cancelled', 'rejected')),
    reason          text,
    intent_tick     bigint         NOT NULL,
    intent_leg      smallint       NOT NULL,
    venue_order_id  bigint,
    venue_ns        bigint,
    recorded_at     timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (strategy, epoch, engine, seq, time)
);

-- time is the venue's time of the fill (venue_ns to the microsecond).
CREATE TABLE IF NOT EXISTS public.fills (
    time           timestamptz    NOT NULL,
    venue          text           NOT NULL,
    fill_id        bigint         NOT NULL,
    strategy       text           NOT NULL,
    epoch          bigint         NOT NULL,
    engine         text           NOT NULL,
    seq            bigint         NOT NULL,
    venue_order_id bigint         NOT NULL,
    symbol         text           NOT NULL,
    side           text           NOT NULL CHECK (side IN ('buy', 'sell')),
    price          numeric(20, 6) NOT NULL,
    quantity       numeric(20, 6) NOT NULL,
    venue_ns       bigint         NOT NULL,
    recovered      boolean        NOT NULL DEFAULT false,
    recorded_at    timestamptz    NOT NULL DEFAULT now(),
    UNIQUE (venue, fill_id, time)
);

-- What an engine did and why: lease steps, venue sessions, kill switch, reconciliation.
CREATE TABLE IF NOT EXISTS public.events (
    time        timestamptz NOT NULL,
    engine      text        NOT NULL,
    seq         bigint      NOT NULL,
    kind        text        NOT NULL,
    strategy    text,
    detail      text        NOT NULL DEFAULT '',
    recorded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (engine, seq, time)
);

-- Authority: one row a strategy and symbol, written only under the epoch of the lease (position_write, migration 005).
CREATE TABLE IF NOT EXISTS public.positions (
    strategy          text             NOT NULL,
    symbol            text             NOT NULL,
    epoch             bigint           NOT NULL,
    engine            text             NOT NULL,
    quantity          numeric(20, 6)   NOT NULL,
    average_price     double precision NOT NULL,
    realised_pnl_usd  double precision NOT NULL,
    pnl_day           date             NOT NULL,
    pnl_day_start_usd double precision NOT NULL,
    last_fill_id      bigint           NOT NULL,
    updated_at        timestamptz      NOT NULL,
    PRIMARY KEY (strategy, symbol)
);

GRANT SELECT ON public.schema_version, public.positions TO hft_user;
GRANT SELECT, INSERT, UPDATE ON public.orders TO hft_user;
GRANT SELECT, INSERT ON public.fills, public.events TO hft_user;
