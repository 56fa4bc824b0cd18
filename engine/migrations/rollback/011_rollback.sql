-- SPDX-License-Identifier: GPL-3.0-or-later
-- Takes back 011: monitoring knows nothing more of deployments.

SET LOCAL ROLE hft_owner;

REVOKE SELECT ON public.deployment_lock, public.deployment_record FROM pg_monitor;

DELETE FROM public.schema_version WHERE version = 11;
