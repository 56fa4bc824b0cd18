-- SPDX-License-Identifier: GPL-3.0-or-later
-- Hold or degrade. When the last synchronous candidate is lost, commits wait and trading stops at its deadline (hold). An
-- operator may decide that this primary acknowledges alone (degrade): the decision is a row here, with who and why, and
-- leases are written on a server without a synchronous set only while such a row is open, on the timeline it was made on.
-- A promotion ends it: the next timeline holds until somebody decides anew.

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.degraded (
    id       bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    since    timestamptz NOT NULL DEFAULT now(),
    who      text        NOT NULL CHECK (who <> ''),
    reason   text        NOT NULL CHECK (reason <> ''),
    timeline bigint      NOT NULL,
    ended_at timestamptz,
    ended_by text,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);

CREATE OR REPLACE FUNCTION public.lease_guard() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF btrim(current_setting('synchronous_standby_names')) = '' AND NOT EXISTS (
        SELECT FROM public.degraded
        WHERE ended_at IS NULL AND timeline = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer)
    THEN
        RAISE EXCEPTION 'lease refused: synchronous_standby_names is empty on this server'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'name the synchronous standbys, for example ANY 1 (a, b)';
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true);
END
$$;

GRANT SELECT ON public.degraded TO hft_user;
