-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 007. Refuses while a budget stands: without it a strategy would trade with all that its configuration allows.

DO $$
DECLARE
    budgets text;
BEGIN
    IF to_regclass('public.risk_budget') IS NOT NULL THEN
        SELECT string_agg(strategy, ', ' ORDER BY strategy) INTO budgets FROM public.risk_budget;
        IF budgets IS NOT NULL THEN
            RAISE EXCEPTION 'risk_budget has rows: %', budgets
                USING HINT = 'stop these strategies and delete their rows first';
        END IF;
    END IF;
END
$$;

SET LOCAL ROLE hft_owner;

DROP TABLE IF EXISTS public.risk_budget;
DROP TABLE IF EXISTS public.risk_account;
DROP FUNCTION IF EXISTS public.risk_budget_within_account();

DELETE FROM public.schema_version WHERE version = 7;
