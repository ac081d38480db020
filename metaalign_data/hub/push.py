"""A folder to a repository on the Hub: what is missing there, in one commit, checked and tagged."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi

from metaalign_data import __version__
from metaalign_data.errors import MetaalignError, UserError
from metaalign_data.hub.asking import HubUnavailable, in_words
from metaalign_data.hub.commit import Committer, Landed, check_arrived, find_pull_request
from metaalign_data.hub.local import LocalFile, local_files
from metaalign_data.hub.plan import Plan, make_plan
from metaalign_data.hub.repository import Kind, Repository, State

MAIN = "main"
REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class Target:
    """Where a folder is to go. `private` is what a repository has to be: one that is made is made so."""

    repo_id: str
    kind: Kind = "dataset"
    private: bool = False
    revision: str = MAIN
    create_pr: bool = False


@dataclass(frozen=True)
class Pushed:
    """How a push ended. `commit` holds the folder; `pull_request` is its number where it is one.

    `version` is the tag of that commit; None for a pull request, and where another commit has that tag. `sent` is False
    where all was there already.
    """

    url: str
    commit: str
    version: str | None
    pull_request: int | None
    created: bool
    sent: bool
    plan: Plan


def look(folder: Path, target: Target, *, api: HfApi | None = None) -> Plan:
    """What `push_folder` would change. Nothing is sent. Raises what it raises of the folder and the repository."""
    _check(target)
    with in_words(target.repo_id):
        repository = Repository(api or HfApi(), target.repo_id, target.kind)
        return make_plan(repository, local_files(folder), _base(repository, target))


def ready(target: Target, *, api: HfApi | None = None) -> None:
    """Raise now what would keep `push_folder` from beginning after hours of other work: a name that is none, a token
    that is missing or not accepted, a Hub out of reach. Nothing is sent.
    """
    _check(target)
    with in_words(target.repo_id):
        (api or HfApi()).whoami()


def push_folder(
    folder: Path,
    target: Target,
    *,
    api: HfApi | None = None,
    approve: Callable[[Plan], None] = lambda plan: None,
) -> Pushed:
    """Make the repository hold the folder's files.

    Files that an earlier push left there and that the folder lacks are removed, other people's are kept, and the card
    is merged. `approve` sees each plan before anything of it is sent, and may raise. Raises UserError with what the
    user can mend, HubUnavailable when the Hub stays out of reach: the branch is then as it was or holds everything, and
    the same call goes on where this one stopped.
    """
    _check(target)
    repository = Repository(api or HfApi(), target.repo_id, target.kind)
    return _Push(repository, target, local_files(folder), approve).run()


class _Push:
    """One push, from what is there to what was asked for."""

    def __init__(
        self,
        repository: Repository,
        target: Target,
        files: Mapping[str, LocalFile],
        approve: Callable[[Plan], None],
    ) -> None:
        self.repository, self.target, self.files, self.approve = repository, target, files, approve

    def run(self) -> Pushed:
        with in_words(self.target.repo_id):
            base = _base(self.repository, self.target)
            plan = self._plan(base)
            created = base is None and self.repository.create(private=self.target.private)
            if base is None:
                base = self._newborn()
                plan = self._plan(base)
        try:
            with in_words(self.target.repo_id):
                return self._pushed(self._landed(plan, base), created=created)
        except HubUnavailable as e:
            if not created:
                raise
            raise HubUnavailable(f"{e}; the repository was made for it, and may be empty") from e
        except MetaalignError as e:
            if created:
                self._take_back(base, e)
            raise

    def _plan(self, base: State | None) -> Plan:
        plan = make_plan(self.repository, self.files, base)
        self.approve(plan)
        return plan

    def _newborn(self) -> State:
        """The repository that was just made, or that somebody else made at the same time."""
        base = _base(self.repository, self.target)
        if base is None:
            what = "the name is taken by a repository that this token may not see"
            raise UserError(what, where=self.target.repo_id, fix="take another name")
        return base

    def _landed(self, plan: Plan, base: State) -> Landed:
        if self.target.revision != MAIN:
            self.repository.create_branch(self.target.revision)
        if plan.changes_nothing:
            return Landed(base.commit, plan, sent=False)
        if self.target.create_pr and (open_one := find_pull_request(self.repository, plan)):
            return replace(open_one, sent=False)
        committer = Committer(
            self.repository,
            self.target.revision,
            f"{plan.record.tag}: {len(plan.sent)} files, {len(plan.removed)} removed, by metaalign-data {__version__}",
            self._plan,
            pull_request=self.target.create_pr,
        )
        landed = committer.commit(plan, base)
        if landed.sent:
            check_arrived(self.repository, landed)
        return landed

    def _pushed(self, landed: Landed, *, created: bool) -> Pushed:
        version = None
        if landed.pull_request is None:
            tag = landed.plan.record.tag
            tagged = self.repository.tags().get(tag) if not landed.sent else None
            version = tag if tagged or self.repository.tag(tag, landed.commit) else None
        section = "datasets/" if self.target.kind == "dataset" else ""
        return Pushed(
            url=f"{self.repository.api.endpoint}/{section}{self.target.repo_id}",
            commit=landed.commit,
            version=version,
            pull_request=landed.pull_request,
            created=created,
            sent=landed.sent,
            plan=landed.plan,
        )

    def _take_back(self, base: State, error: MetaalignError) -> None:
        """Remove the repository that this push made, so long as nothing was put into it."""
        try:
            now = self.repository.state()
            if now is not None and now.commit == base.commit:
                self.repository.delete()
        except Exception as e:
            raise UserError(f"{error}; the empty repository that was made for it is still there") from e


def _base(repository: Repository, target: Target) -> State | None:
    """What the push builds on; of a branch that is yet to be made, main. Raises UserError where all can see what is to
    be private.
    """
    base = repository.state(target.revision)
    if base is None and target.revision != MAIN:
        base = repository.state()
    if base is not None and target.private and not base.private:
        fix = "make it private in its settings, or leave out --private"
        raise UserError("is there already, and public", where=target.repo_id, fix=fix)
    return base


def _check(target: Target) -> None:
    if not REPO_ID.fullmatch(target.repo_id):
        raise UserError("is no name on the Hub", where=target.repo_id, fix="write user/name")
    if target.create_pr and target.revision != MAIN:
        raise UserError("a pull request is made against main", where="--revision", fix="leave it out")
