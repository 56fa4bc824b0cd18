-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 002: the hypertables become plain tables again, with all rows and grants.

SET LOCAL ROLE hft_owner;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'fills', 'events'] LOOP
        IF EXISTS (SELECT 1 FROM timescaledb_information.hypertables
                   WHERE hypertable_schema = 'public' AND hypertable_name = name) THEN
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', name || '_plain', name);
            EXECUTE format('INSERT INTO public.%I SELECT * FROM public.%I', name || '_plain', name);
            EXECUTE format('DROP TABLE public.%I', name);
            EXECUTE format('ALTER TABLE public.%I RENAME TO %I', name || '_plain', name);
            EXECUTE format('GRANT SELECT, INSERT ON public.%I TO hft_user', name);
        END IF;
    END LOOP;
END
$$;

GRANT UPDATE ON public.orders TO hft_user;

DELETE FROM public.schema_version WHERE version = 2;
