-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 009. Refuses while the server acknowledges alone: no lease could be written any more.

DO $$
BEGIN
    IF btrim(current_setting('synchronous_standby_names')) = '' AND to_regclass('public.degraded') IS NOT NULL
       AND EXISTS (SELECT FROM public.degraded WHERE ended_at IS NULL) THEN
        RAISE EXCEPTION 'this primary acknowledges alone'
            USING HINT = 'end it first: the playbook database_degrade with database_degrade=end';
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

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

DROP TABLE IF EXISTS public.degraded;

DELETE FROM public.schema_version WHERE version = 9;
