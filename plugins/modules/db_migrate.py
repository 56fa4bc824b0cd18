#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_migrate
short_description: Bring a database schema to a version, forwards or back
version_added: 0.1.0
description:
  - Applies the files C(NNN_description.sql) of a directory in order. A thin driver around B(sqitch), which runs them by C(psql) and keeps
    its registry in the schema C(sqitch). The project that sqitch wants is made from the files alone and removed after the run.
  - Each file runs in one transaction together with its row in C(schema_version), so a file is applied whole or not at all. That row is
    the truth. A registry that lacks what C(schema_version) has, because an earlier driver applied it or a run was cut off, is brought in
    line without running a file again.
  - Holds one advisory lock during the run, so two runs never mix. C(lock_timeout) and C(statement_timeout) bound what a migration may do
    to those who trade. A lock that is not had is tried for again, later and later, at random moments.
  - Refuses before it changes anything when an applied file has changed since, numbers collide or have a gap, a rollback
    file C(rollback/NNN_rollback.sql) is missing, or a file would end the driver's transaction.
  - The line C(-- hft:\ no-transaction) above the first statement of a file says that it must run outside a transaction
    (C(CREATE INDEX CONCURRENTLY)). What it did before an error stays, so it must be such that it can run again.
  - The line C(-- hft:\ contract since 0.3.0) marks a contract migration, which takes away what an engine older than that version uses. See
    O(phase).
  - In check mode the plan is printed. Where no database can be asked yet, every file is planned.
  - Runs files as O(owner) (C(SET ROLE)) in sessions of V(postgres) through the local socket of the primary. Nothing is started when
    there is nothing to do.
options:
  directory:
    description: Directory on the host. One of O(directory) and O(files) is required.
    type: path
  files:
    description: The files themselves, by name relative to the directory, where they are not on the host.
    type: dict
  state:
    description: V(applied) goes forwards, V(rolled_back) back, with the rollback files.
    type: str
    choices: [applied, rolled_back]
    default: applied
  target:
    description:
      - Version to end with. With V(applied) the default is the last one; higher ones that are applied already stay.
      - Required with V(rolled_back); V(0) takes everything back.
    type: int
  database:
    description: Database to migrate.
    type: str
    default: hft_db
  owner:
    description: Role that runs the files and owns what they make.
    type: str
    default: hft_owner
  phase:
    description:
      - V(expand) stops before the first contract migration and lists those that wait in RV(held_back). One that stands behind it and only
        adds is refused, because numbers are applied in order.
      - V(all) applies contract migrations too, where O(engine_versions) allows it.
      - A database without any migration gets all of them, because no engine can rely on what is not there.
    type: str
    choices: [expand, all]
    default: expand
  engine_versions:
    description:
      - Version of every engine that runs on this database now, or may be started again as the way back. V(none) as the only element says
        that no engine runs.
      - A contract migration is refused when one of them is older than its header says or cannot be compared, when the list is empty, as it
        is when nobody could be asked, and when more engines are connected to the database than it names.
    type: list
    elements: str
    default: []
  data_loss:
    description:
      - What to do with O(state=rolled_back) when the rollback would drop tables or columns that hold anything. V(refuse) runs the files,
        looks, undoes them, and refuses with RV(losses); a file that runs outside a transaction cannot be tried and is refused. V(accept)
        does not look.
    type: str
    choices: [accept, refuse]
    default: accept
  lock_timeout_ms:
    description:
      - Milliseconds to wait for a lock at most, before the migration is rolled back. Who comes behind a migration that waits has to wait
        too, so keep it below the C(suspect_ms) of the engines' lease (1000).
    type: int
    default: 500
  lock_attempts:
    description: How often a migration is tried that does not get its locks. The pause doubles from 1 s to at most 30 s, less up to half.
    type: int
    default: 5
  statement_timeout_ms:
    description: Milliseconds that one statement may take at most.
    type: int
    default: 600000
  max_lag_bytes:
    description:
      - Refuse while a standby that streams, or one whose slot waits for it, has not replayed so many bytes of the log. A migration that
        writes much would put it behind farther, and no move to it could be made. V(0) does not ask.
    type: int
    default: 0
requirements:
  - sqitch and libdbd-pg-perl on the host
notes:
  - The criterion for contract migrations is the list of versions and not a date or a switch, because it fails closed. An engine that was
    forgotten makes the list too short for the sessions that the database sees, one that did not answer has no version, and a header
    without a version is no header.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Bring the schema up to date
  hft.ops.db_migrate:
    directory: /opt/hft_system/current/migrations

- name: Go back to version 4
  hft.ops.db_migrate:
    directory: /opt/hft_system/current/migrations
    state: rolled_back
    target: 4

- name: Take away what no engine uses any more
  hft.ops.db_migrate:
    directory: /opt/hft_system/current/migrations
    phase: all
    engine_versions: "{{ engines_found | map(attribute='version') | list }}"
"""

RETURN = r"""
plan:
  description: Migrations to apply or take back, in order.
  returned: always
  type: list
  elements: str
  sample: [004_engine_lease, 005_position_authority]
done:
  description: Those of RV(plan) that were done; after a failure these stay done.
  returned: always
  type: list
  elements: str
current:
  description: Highest version in C(schema_version) before the run; 0 when there is none.
  returned: always
  type: int
losses:
  description: Tables and columns that the rollback would drop although they hold something.
  returned: always; empty where nobody looked
  type: list
  elements: str
  sample: ['deployment_record (12 rows)']
held_back:
  description: Contract migrations that V(phase=expand) leaves for later.
  returned: always
  type: list
  elements: str
ahead:
  description: Versions in the database that the files do not have.
  returned: always
  type: list
  elements: int
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._migration_database import Database, open_database
from ansible_collections.hft.ops.plugins.module_utils._migration_phases import ALL, EXPAND, expand_only, refuse_contract
from ansible_collections.hft.ops.plugins.module_utils._migration_sqitch import Failure, Sqitch, project
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import (
    ROLLBACK_FOLDER,
    Migration,
    ahead,
    in_transaction,
    parse,
    pending,
    to_roll_back,
)

REFUSE = "refuse"
_LONGEST_PAUSE_S = 30


class Run:
    """What one call finds, wants and does."""

    def __init__(self, module: AnsibleModule, cluster: Cluster, database: Database | None, migrations: list[Migration], where: str) -> None:
        self.module = module
        self.given = module.params
        self.cluster = cluster
        self.database = database
        self.migrations = migrations
        self.where = where
        self.forwards = self.given["state"] == "applied"
        self.applied = database.applied() if database else []
        self.current = max((row.version for row in self.applied), default=0)
        self.ahead = ahead(migrations, self.applied)
        self.todo: list[Migration] = []
        self.held: list[Migration] = []
        self.done: list[str] = []
        self.losses: list[str] = []
        self.adopted = False

    def outcome(self) -> dict[str, Any]:
        return {"plan": [one.label for one in self.todo], "done": self.done, "current": self.current, "ahead": self.ahead,
                "losses": self.losses, "held_back": [one.label for one in self.held]}

    def state(self, plan: Plan) -> None:
        """Say what differs; refuse what must not run."""
        if self.forwards:
            todo = pending(self.migrations, self.applied, self.given["target"], self.where)
            if self.applied and self.given["phase"] == EXPAND:
                todo, self.held = expand_only(todo, self.given["target"], self.where)
            elif self.applied and self.database:
                refuse_contract(todo, self.given["engine_versions"], self.database.engines(), self.where)
        else:
            if self.ahead:
                raise HostError(f"{self.where}: the database has versions that are not there ({', '.join(map(str, self.ahead))}); "
                                "roll back with the release that brought them")
            todo = to_roll_back(self.migrations, self.applied, self.given["target"], self.where)
            if self.given["data_loss"] == REFUSE and self.database:
                self._refuse_loss(todo)
        registered = self.database.registered() if self.database else 0
        if registered != self.current and not self.ahead:
            plan.change(Difference("persisted", f"{self.given['database']}: registry of sqitch",
                                   *(f"version {version}" if version else None for version in (registered, self.current))),
                        write=lambda: self._adopt(registered))
        if todo and self.database and self.given["max_lag_bytes"]:
            self._refuse_lag()
        self.todo = todo
        before, after = (None, "applied") if self.forwards else ("applied", None)
        found = [Difference("persisted", f"{self.given['database']}: {one.label}", before, after) for one in todo]
        if found:
            plan.change(*found, write=self._migrate)

    def _refuse_loss(self, todo: list[Migration]) -> None:
        alone = [one.rollback_name for one in todo if not in_transaction(one.rollback_sql)]
        if alone:
            raise HostError(f"{self.where}: {', '.join(alone)} runs outside a transaction, so what it would lose cannot be tried; "
                            "see to it by hand, then data_loss: accept")
        self.losses = self.database.losses([one.rollback_sql for one in todo])
        if self.losses:
            raise HostError(f"database {self.given['database']}: back to version {self.given['target']} would lose "
                            f"{', '.join(self.losses)}; keep them elsewhere, then data_loss: accept")

    def _refuse_lag(self) -> None:
        allowed = self.given["max_lag_bytes"]
        behind = [f"{name} is {lag} bytes behind" for name, lag in self.database.lags() if lag > allowed]
        if behind:
            raise HostError(f"{', '.join(behind)}, {allowed} are allowed (max_lag_bytes); wait until it has caught up, bring it back, or "
                            "drop its slot if it is gone for good")

    def _adopt(self, registered: int) -> None:
        """Bring sqitch's registry in line with schema_version, without running a file."""
        to = self._one(self.current)
        with self._sqitch() as sqitch:
            failure = (sqitch.deploy if registered < self.current else sqitch.revert)(to, log_only=True)
        if failure:
            raise HostError(f"database {self.given['database']}: {failure.message}")
        self.adopted = True

    def _migrate(self) -> None:
        to = self.todo[-1] if self.forwards else self._one(self.given["target"])
        try:
            with self._sqitch() as sqitch:
                self._until_locked(lambda: (sqitch.deploy if self.forwards else sqitch.revert)(to))
        finally:
            # Where nobody answers any more, the next run finds out what was done.
            if self.database.answers():
                left = {row.version for row in self.database.applied()}
                self.done = [one.label for one in self.todo if (one.version in left) == self.forwards]

    def _until_locked(self, attempt: Callable[[], Failure | None]) -> None:
        """Try again while locks are not had, at moments that no periodic holder of a lock meets each time."""
        for count in range(1, self.given["lock_attempts"] + 1):
            failure = attempt()
            if failure is None:
                return
            if not failure.retryable:
                raise HostError(failure.message)
            if count < self.given["lock_attempts"]:
                pause = min(_LONGEST_PAUSE_S, 2 ** (count - 1)) * random.SystemRandom().uniform(0.5, 1)
                self.module.warn(f"{failure.message}; attempt {count} of {self.given['lock_attempts']}, again in {pause:.1f} s")
                time.sleep(pause)
        raise HostError(f"{failure.message}; given up after {self.given['lock_attempts']} attempts, see who holds the lock in pg_locks")

    def _sqitch(self) -> AbstractContextManager[Sqitch]:
        return project(self.cluster, self.given, self.migrations, self.module.run_command)

    def _one(self, version: int) -> Migration | None:
        return next((one for one in self.migrations if one.version == version), None)


def read_directory(host: Host, directory: str) -> dict[str, str]:
    """Names relative to the directory, and contents."""
    if not host.path(directory).is_dir():
        raise HostError(f"directory {directory}: does not exist on this host; install the release that brings it, or give another")
    names = [*host.names(directory), *(f"{ROLLBACK_FOLDER}/{name}" for name in host.names(f"{directory}/{ROLLBACK_FOLDER}"))]
    return {name: host.read(f"{directory}/{name}") or "" for name in names if name.endswith(".sql")}


def main() -> None:
    arguments = {
        "directory": {"type": "path"},
        "files": {"type": "dict"},
        "state": {"type": "str", "choices": ["applied", "rolled_back"], "default": "applied"},
        "target": {"type": "int"},
        "database": {"type": "str", "default": "hft_db"},
        "owner": {"type": "str", "default": "hft_owner"},
        "phase": {"type": "str", "choices": [EXPAND, ALL], "default": EXPAND},
        "engine_versions": {"type": "list", "elements": "str", "default": []},
        "data_loss": {"type": "str", "choices": ["accept", REFUSE], "default": "accept"},
        "lock_timeout_ms": {"type": "int", "default": 500},
        "lock_attempts": {"type": "int", "default": 5},
        "statement_timeout_ms": {"type": "int", "default": 600000},
        "max_lag_bytes": {"type": "int", "default": 0},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True, mutually_exclusive=[("directory", "files")],
                           required_one_of=[("directory", "files")], required_if=[("state", "rolled_back", ("target",))])
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    plan = Plan(check_mode=module.check_mode)
    database = None
    run = None
    try:
        if given["lock_attempts"] < 1:
            raise HostError(f"lock_attempts {given['lock_attempts']}: expected 1 or more")
        where = given["directory"] or "files"
        migrations = parse(given["files"] if given["directory"] is None else read_directory(host, given["directory"]), where)
        database = open_database(cluster, given, module.check_mode)
        if database and not module.check_mode:
            database.lock()
        run = Run(module, cluster, database, migrations, where)
        run.state(plan)
        plan.run()
    except HostError as wrong:
        nothing = {"plan": [], "done": [], "current": 0, "ahead": [], "losses": [], "held_back": []}
        outcome = run.outcome() if run else nothing
        module.fail_json(msg=str(wrong), **outcome, **{**plan.failure(), "changed": bool(run and (run.done or run.adopted))})
    finally:
        if database:
            database.connection.close()
    if run.ahead:
        module.warn(f"{run.where}: older than the database, which also has {', '.join(map(str, run.ahead))}")
    module.exit_json(**run.outcome(), **plan.result())


if __name__ == "__main__":
    main()
