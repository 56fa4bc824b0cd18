-- SPDX-License-Identifier: GPL-3.0-or-later
-- Orders, fills and events become hypertables of one-day chunks. Only what the Apache edition of TimescaleDB has.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb') THEN
        RAISE EXCEPTION 'extension timescaledb is not in database %', current_database()
            USING HINT = 'CREATE EXTENSION timescaledb as a superuser, then run this migration again';
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

SELECT create_hypertable('public.orders', 'time', chunk_time_interval => interval '1 day',
                         create_default_indexes => false, migrate_data => true, if_not_exists => true);
SELECT create_hypertable('public.fills', 'time', chunk_time_interval => interval '1 day',
                         create_default_indexes => false, migrate_data => true, if_not_exists => true);
SELECT create_hypertable('public.events', 'time', chunk_time_interval => interval '1 day',
                         create_default_indexes => false, migrate_data => true, if_not_exists => true);
