-- SPDX-License-Identifier: GPL-3.0-or-later
-- What became of a transfer, written by the handover itself: a request that is repeated finds the outcome, also after the giver
-- restarted. A taker now says which build it runs and beats while it is armed. A taker that cannot fence gives the rows back in
-- a way that the giver can tell from a stop. Engines of before this version go on with the functions of 006.

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.engine_transfer (
    id         text        PRIMARY KEY CHECK (id <> ''),
    giver      text        NOT NULL,
    taker      text        NOT NULL,
    rows       jsonb       NOT NULL,  -- [{strategy, epoch, beat}] as handed over
    handed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),  -- for people; nothing is decided by it
    returned   boolean     NOT NULL DEFAULT false  -- the taker could not fence and gave the rows back
);

ALTER TABLE public.engine_arm ADD COLUMN IF NOT EXISTS build text NOT NULL DEFAULT '';
ALTER TABLE public.engine_arm ADD COLUMN IF NOT EXISTS beat bigint NOT NULL DEFAULT 0;

-- As lease_arm of 006, with the build.
CREATE OR REPLACE FUNCTION public.lease_arm(p_id text, p_taker text, p_build text, p_strategies text[])
RETURNS SETOF public.engine_arm
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM public.engine_transfer WHERE id = p_id) THEN
        RAISE EXCEPTION 'lease_arm(%): this transfer was carried out already', p_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'name the next one differently';
    END IF;
    PERFORM public.lease_arm(p_id, p_taker, p_strategies);
    RETURN QUERY
        UPDATE public.engine_arm AS a SET build = p_build, beat = 0
        WHERE a.transfer_id = p_id AND a.taker = p_taker AND a.strategy = ANY (p_strategies)
        RETURNING a.*;
END
$$;

-- The taker is still there. Not waited for: nothing is lost with it, and a handover must not wait behind it.
CREATE OR REPLACE FUNCTION public.lease_arm_beat(p_id text, p_taker text)
RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
        UPDATE public.engine_arm AS a SET beat = a.beat + 1
        WHERE a.transfer_id = p_id AND a.taker = p_taker
        RETURNING a.beat;
END
$$;

-- lease_transfer of 006 with the record, in one transaction. An id is used once: the key refuses the second.
CREATE OR REPLACE FUNCTION public.lease_hand_over(p_id text, p_from text, p_to text, p_items jsonb)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.engine_transfer (id, giver, taker, rows)
    SELECT p_id, p_from, p_to, jsonb_agg(jsonb_build_object('strategy', r.strategy, 'epoch', r.epoch + 1, 'beat', r.beat + 1))
    FROM jsonb_to_recordset(p_items) AS r(strategy text, epoch bigint, beat bigint);
    RETURN QUERY SELECT * FROM public.lease_transfer(p_id, p_from, p_to, p_items);
END
$$;

-- The taker could not fence: vacant rows, and the mark by which the giver knows that they were not stopped on purpose.
-- p_items: [{strategy, epoch, beat}]
CREATE OR REPLACE FUNCTION public.lease_return(p_id text, p_holder text, p_items jsonb)
RETURNS SETOF public.engine_lease
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    item record;
BEGIN
    PERFORM public.lease_guard();
    FOR item IN
        SELECT r.* FROM jsonb_to_recordset(p_items) AS r(strategy text, epoch bigint, beat bigint) ORDER BY r.strategy
    LOOP
        RETURN QUERY
            UPDATE public.engine_lease AS l
            SET holder = NULL, beat = l.beat + 1
            WHERE l.strategy = item.strategy
              AND l.holder = p_holder AND l.epoch = item.epoch AND l.beat = item.beat AND l.transfer_id = p_id
            RETURNING l.*;
    END LOOP;
    UPDATE public.engine_transfer SET returned = true WHERE id = p_id;
END
$$;

GRANT SELECT ON public.engine_transfer TO hft_user;

REVOKE ALL ON FUNCTION public.lease_arm(text, text, text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_arm_beat(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_hand_over(text, text, text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.lease_return(text, text, jsonb) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION public.lease_arm(text, text, text, text[]) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_arm_beat(text, text) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_hand_over(text, text, text, jsonb) TO hft_user;
GRANT EXECUTE ON FUNCTION public.lease_return(text, text, jsonb) TO hft_user;
