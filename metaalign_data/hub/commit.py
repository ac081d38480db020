"""One commit, whole or not at all: each try names the commit that it builds on, and looks before it tries again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from metaalign_data.errors import MetaalignError, UserError
from metaalign_data.hub.asking import ATTEMPTS, may_pass, status_of, wait_s
from metaalign_data.hub.cards import CARD
from metaalign_data.hub.local import LocalFile
from metaalign_data.hub.plan import Plan, named
from metaalign_data.hub.record import RECORD
from metaalign_data.hub.repository import Repository, State

WAIT_S = 2.0
_PULL_REQUESTS_LOOKED_AT = 10
Operation = CommitOperationAdd | CommitOperationDelete


@dataclass(frozen=True)
class Landed:
    """The commit that holds the plan, and the number of its pull request where it is one.

    `sent` is False where it was there already.
    """

    commit: str
    plan: Plan
    pull_request: int | None = None
    sent: bool = True


class Committer:
    """Brings a plan to a branch, or to a pull request against it.

    The Hub takes a commit only where the branch still stands at its parent, so that a try that is sent twice, or whose
    answer is lost, cannot land twice. `replan` gives the plan for a branch that moved.
    """

    def __init__(
        self, repository: Repository, branch: str, message: str, replan: Callable[[State], Plan], *, pull_request: bool
    ) -> None:
        self.repository, self.branch, self.message = repository, branch, message
        self.replan, self.pull_request = replan, pull_request

    def commit(self, plan: Plan, base: State) -> Landed:
        """Raises UserError where others changed the same files meanwhile, and the client's errors."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._sent(plan, base)
            except Exception as e:
                if not (may_pass(e) or status_of(e) == 412):
                    raise
                if landed := self._found(plan, base):
                    return landed
                now = self.repository.state(self.branch) or base
                if now.commit != base.commit:
                    plan, base = self._moved(plan, base, now), now
                    if plan.changes_nothing:
                        return Landed(base.commit, plan, sent=False)
                elif attempt == ATTEMPTS:
                    raise
                else:
                    time.sleep(wait_s(e, otherwise=WAIT_S * attempt))
        raise MetaalignError(f"{self.repository.name}: others kept changing it; push again")

    def _sent(self, plan: Plan, base: State) -> Landed:
        api, name, kind = self.repository.api, self.repository.name, self.repository.kind
        operations = _operations(plan)
        additions = [operation for operation in operations if isinstance(operation, CommitOperationAdd)]
        # What the Hub has of these already is not sent again: a push that broke off goes on here.
        api.preupload_lfs_files(
            name,
            additions,
            repo_type=kind,
            revision=self.branch,
            create_pr=self.pull_request,
            free_memory=False,
        )
        done = api.create_commit(
            name,
            operations,
            commit_message=self.message,
            repo_type=kind,
            revision=self.branch,
            parent_commit=base.commit,
            create_pr=self.pull_request,
        )
        return Landed(done.oid, plan, done.pr_num)

    def _found(self, plan: Plan, base: State) -> Landed | None:
        """The commit of this plan where the Hub has it, although it did not say so."""
        record = plan.record.as_file()
        if self.pull_request:
            return find_pull_request(self.repository, plan)
        if self.repository.blob(RECORD, self.branch) != record.git_oid:
            return None
        if (was := base.files.get(RECORD)) and was.equals(record):
            return None
        return Landed(self.repository.child_of(base.commit, self.branch), plan)

    def _moved(self, plan: Plan, base: State, now: State) -> Plan:
        """The plan on what others left there. A card is merged; of other files there must be one writer."""
        moved = {path for path in {*base.files, *now.files} if base.files.get(path) != now.files.get(path)}
        clash = sorted(moved & {*plan.files, *plan.removed, RECORD} - {CARD})
        if clash:
            what = f"changed while this was pushed, from {base.commit[:8]} to {now.commit[:8]}: {named(clash)}"
            raise UserError(what, where=self.repository.name, fix="look at what is there; push again to replace it")
        return self.replan(now)


def find_pull_request(repository: Repository, plan: Plan) -> Landed | None:
    """The newest pull request that holds this very plan."""
    for number, commit in list(repository.pull_requests().items())[:_PULL_REQUESTS_LOOKED_AT]:
        if repository.blob(RECORD, commit) == plan.record.as_file().git_oid:
            return Landed(commit, plan, number)
    return None


def check_arrived(repository: Repository, landed: Landed) -> None:
    """Raises MetaalignError where the commit holds anything else than what was sent."""
    there = repository.files(landed.commit)
    files = landed.plan.all_files().items()
    wrong = [path for path, file in files if path not in there or not there[path].equals(file)]
    if wrong := sorted({*wrong, *(path for path in landed.plan.removed if path in there)}):
        raise MetaalignError(
            f"{repository.name}: what is there as of {landed.commit[:8]} is not what was sent: {named(wrong)}"
        )


def _operations(plan: Plan) -> list[Operation]:
    files = plan.all_files()
    additions = [_addition(path, files[path]) for path in (*plan.sent, RECORD)]
    return [*additions, *(CommitOperationDelete(path, is_folder=False) for path in plan.removed)]


def _addition(path: str, file: LocalFile) -> CommitOperationAdd:
    return CommitOperationAdd(path, file.source if isinstance(file.source, bytes) else str(file.source))
