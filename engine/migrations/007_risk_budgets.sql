-- SPDX-License-Identifier: GPL-3.0-or-later
-- Risk budgets: what the account grants each strategy, beside its lease and moving with it. An engine reads the row of a
-- strategy when it claims the lease, so no counter is shared between engines: who holds the strategy holds its budget.
-- The sum of the budgets never exceeds the account's limit; that is kept here, whoever writes and however many at once.
-- Positions of different symbols cannot be added up, so the sums are in dollars (notional and daily loss); max_position,
-- rates and counts limit their own strategy alone. A limit that is null does not limit; a strategy without a row has the
-- limits of its configuration. The engine's role reads; hft_owner, who deploys, writes.

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.risk_account (
    account          text           PRIMARY KEY,
    max_notional_usd numeric(20, 2) NOT NULL CHECK (max_notional_usd > 0),
    daily_loss_usd   numeric(20, 2) NOT NULL CHECK (daily_loss_usd > 0),
    revision         bigint         NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS public.risk_budget (
    strategy             text           PRIMARY KEY,
    account              text           NOT NULL REFERENCES public.risk_account,
    max_notional_usd     numeric(20, 2) NOT NULL CHECK (max_notional_usd > 0),
    daily_loss_usd       numeric(20, 2) NOT NULL CHECK (daily_loss_usd > 0),
    max_position         numeric(20, 6) CHECK (max_position > 0),
    max_order_rate_per_s integer        CHECK (max_order_rate_per_s > 0),
    max_open_orders      integer        CHECK (max_open_orders > 0)
);

-- Deferred to the commit, so that a budget can go from one strategy to another within one transaction.
-- The account's row is written, not only locked: of two transactions the second waits for the first and then counts what it
-- wrote (read committed), or fails with a serialisation error (repeatable read), because its snapshot is too old to count.
CREATE OR REPLACE FUNCTION public.risk_budget_within_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_limit public.risk_account%ROWTYPE;
    v_notional numeric;
    v_loss numeric;
BEGIN
    UPDATE public.risk_account SET revision = revision + 1 WHERE account = NEW.account RETURNING * INTO v_limit;
    IF NOT FOUND THEN
        RETURN NULL;  -- the account went in the same transaction, and the reference lets none go that has budgets
    END IF;
    SELECT coalesce(sum(max_notional_usd), 0), coalesce(sum(daily_loss_usd), 0) INTO v_notional, v_loss
    FROM public.risk_budget WHERE account = NEW.account;
    IF v_notional > v_limit.max_notional_usd THEN
        RAISE EXCEPTION 'risk budgets of account %: max_notional_usd adds up to %, the account has %',
            NEW.account, v_notional, v_limit.max_notional_usd
            USING ERRCODE = 'check_violation', HINT = 'make another budget smaller first, or raise the account''s limit';
    END IF;
    IF v_loss > v_limit.daily_loss_usd THEN
        RAISE EXCEPTION 'risk budgets of account %: daily_loss_usd adds up to %, the account has %',
            NEW.account, v_loss, v_limit.daily_loss_usd
            USING ERRCODE = 'check_violation', HINT = 'make another budget smaller first, or raise the account''s limit';
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS risk_budget_within_account ON public.risk_budget;
CREATE CONSTRAINT TRIGGER risk_budget_within_account
    AFTER INSERT OR UPDATE ON public.risk_budget
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.risk_budget_within_account();

-- Not on revision: that is the trigger's own write.
DROP TRIGGER IF EXISTS risk_account_above_budgets ON public.risk_account;
CREATE CONSTRAINT TRIGGER risk_account_above_budgets
    AFTER UPDATE OF max_notional_usd, daily_loss_usd ON public.risk_account
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.risk_budget_within_account();

GRANT SELECT ON public.risk_account, public.risk_budget TO hft_user;
