-- SPDX-License-Identifier: GPL-3.0-or-later
-- Deployments: who deploys now, and the record of every run. The lock ends by itself, by this server's clock, so that a control
-- node that dies keeps nobody out for good. No right to trade rests on either table: a transfer and the way back work without
-- them. hft_owner, who deploys, reads and writes; the engine's role has no business here.

SET LOCAL ROLE hft_owner;

CREATE TABLE IF NOT EXISTS public.deployment_lock (
    only_one   boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    id         text        NOT NULL CHECK (id <> ''),
    who        text        NOT NULL CHECK (who <> ''),
    since      timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- A run that is interrupted and started again has the same id twice. Rows are written once and never changed.
CREATE TABLE IF NOT EXISTS public.deployment_record (
    id          text        NOT NULL CHECK (id <> ''),
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    action      text        NOT NULL CHECK (action <> ''),
    verdict     text        NOT NULL CHECK (verdict <> ''),
    record      jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, started_at)
);
