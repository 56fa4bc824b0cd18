-- SPDX-License-Identifier: GPL-3.0-or-later
-- The lease: one row a strategy says who may trade. Every write but the kill is a compare-and-set on
-- (holder, epoch, beat) in one function, so a late, repeated or forgotten request does nothing.
-- A function returns the row as written, or no row when the comparison failed.
-- It raises when the synchronous set is empty: a commit that one host alone has can be gone after a failover.

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.engine_lease (
    strategy    text    PRIMARY KEY,
    holder      text,
    epoch       bigint  NOT NULL CHECK (epoch >= 0),
    beat        bigint  NOT NULL CHECK (beat >= 0),
    ttl_ms      integer NOT NULL CHECK (ttl_ms > 0),
    venues      text[]  NOT NULL,
    killed      boolean NOT NULL,
    kill_reason text
);

-- The guard of every lease write. synchronous_commit is set for this transaction whatever the session says.
CREATE OR REPLACE FUNCTION public.lease_guard() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF btrim(current_setting('synchronous_standby_names')) = '' THEN
        RAISE EXCEPTION 'lease refused: synchronous_standby_names is empty on this server'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'name the synchronous standbys, for example ANY 1 (a, b)';
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);
END
$$;

-- A vacant row for a strategy that has none. An existing row stays as it is.
CREATE OR REPLACE FUNCTION public.lease_register(p_strategy text, p_ttl_ms integer, p_venues text[])
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY
        INSERT INTO public.engine_lease AS l (strategy, holder, epoch, beat, ttl_ms, venues, killed, kill_reason)
        VALUES (p_strategy, NULL, 0, 0, p_ttl_ms, p_venues, false, NULL)
        ON CONFLICT (strategy) DO NOTHING
        RETURNING l.*;
END
$$;

-- Takes the row from the state the claimer saw. Whether that state may be taken (vacant, own, or stood still for
-- suspect_ms by the claimer's clock) is the claimer's to know; that nothing moved since is known here.
CREATE OR REPLACE FUNCTION public.lease_claim(
    p_strategy text, p_seen_holder text, p_seen_epoch bigint, p_seen_beat bigint,
    p_holder text, p_epoch bigint, p_ttl_ms integer, p_venues text[])
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    IF p_holder IS NULL OR p_epoch <= p_seen_epoch THEN
        RAISE EXCEPTION 'lease_claim(%): the new epoch % must be above the seen epoch % and the holder not null',
            p_strategy, p_epoch, p_seen_epoch USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
        UPDATE public.engine_lease AS l
        SET holder = p_holder, epoch = p_epoch, beat = l.beat + 1, ttl_ms = p_ttl_ms, venues = p_venues
        WHERE l.strategy = p_strategy
          AND l.holder IS NOT DISTINCT FROM p_seen_holder AND l.epoch = p_seen_epoch AND l.beat = p_seen_beat
          AND NOT l.killed
        RETURNING l.*;
END
$$;

CREATE OR REPLACE FUNCTION public.lease_beat(p_strategy text, p_holder text, p_epoch bigint, p_beat bigint)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY
        UPDATE public.engine_lease AS l
        SET beat = l.beat + 1
        WHERE l.strategy = p_strategy
          AND l.holder = p_holder AND l.epoch = p_epoch AND l.beat = p_beat
          AND NOT l.killed
        RETURNING l.*;
END
$$;

-- Makes the row vacant. The epoch stays: the next claim rises above it. A killed row may be released too.
CREATE OR REPLACE FUNCTION public.lease_release(p_strategy text, p_holder text, p_epoch bigint, p_beat bigint)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY
        UPDATE public.engine_lease AS l
        SET holder = NULL, beat = l.beat + 1
        WHERE l.strategy = p_strategy
          AND l.holder = p_holder AND l.epoch = p_epoch AND l.beat = p_beat
        RETURNING l.*;
END
$$;

-- The one write without a comparison: the beat rises, so whatever the holder knew fails from now on.
CREATE OR REPLACE FUNCTION public.lease_kill(p_strategy text, p_reason text)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY
        UPDATE public.engine_lease AS l
        SET killed = true, kill_reason = p_reason, beat = l.beat + 1
        WHERE l.strategy = p_strategy
        RETURNING l.*;
END
$$;

-- Clears the kill of one row, from the state the caller saw: a kill set in between stays.
CREATE OR REPLACE FUNCTION public.lease_unkill(p_strategy text, p_seen_epoch bigint, p_seen_beat bigint)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM public.lease_guard();
    RETURN QUERY
        UPDATE public.engine_lease AS l
        SET killed = false, kill_reason = NULL, beat = l.beat + 1
        WHERE l.strategy = p_strategy AND l.epoch = p_seen_epoch AND l.beat = p_seen_beat AND l.killed
        RETURNING l.*;
END
$$;

GRANT SELECT ON public.engine_lease TO hft_user;

REVOKE ALL ON FUNCTION public.lease_guard() FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_register(text, integer, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_claim(text, text, bigint, bigint, text, bigint, integer, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_beat(text, text, bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_release(text, text, bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_kill(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_unkill(text, bigint, bigint) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION public.lease_register(text, integer, text[]) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_claim(text, text, bigint, bigint, text, bigint, integer, text[]) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_beat(text, text, bigint, bigint) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_release(text, text, bigint, bigint) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_kill(text, text) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_unkill(text, bigint, bigint) TO hft_user;
