-- SPDX-License-Identifier: GPL-3.0-or-later
-- Monitoring may read who deploys and what became of it: alerts and dashboards of deployments rest on these rows. pg_monitor is
-- PostgreSQL's own role for what may look; nothing else of this schema is given to it.

SET LOCAL ROLE hft_owner;

GRANT SELECT ON public.deployment_lock, public.deployment_record TO pg_monitor;
