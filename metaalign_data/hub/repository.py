"""What a repository on the Hub holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from metaalign_data.hub.asking import patiently, status_of
from metaalign_data.hub.local import LocalFile

Kind = Literal["dataset", "model"]


@dataclass(frozen=True)
class RemoteFile:
    """`sha256` names its content where it lies in LFS; a regular file has None there and is named by `git_oid`."""

    size: int
    sha256: str | None
    git_oid: str

    def equals(self, local: LocalFile) -> bool:
        return self.git_oid == local.git_oid if self.sha256 is None else self.sha256 == local.sha256


@dataclass(frozen=True)
class State:
    """A repository as of one commit."""

    commit: str
    private: bool
    files: Mapping[str, RemoteFile]


class Repository:
    """One repository. Whatever only reads is asked again where the Hub fails; errors are those of the client."""

    def __init__(self, api: HfApi, name: str, kind: Kind) -> None:
        self.api, self.name, self.kind = api, name, kind

    def state(self, revision: str = "main") -> State | None:
        """None where there is no such repository or branch, or the token may not see it."""
        try:
            info = patiently(lambda: self.api.repo_info(self.name, repo_type=self.kind, revision=revision))
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None
        if info.sha is None:
            return None
        return State(info.sha, bool(getattr(info, "private", False)), self.files(info.sha))

    def files(self, commit: str) -> dict[str, RemoteFile]:
        def listed() -> dict[str, RemoteFile]:
            tree = self.api.list_repo_tree(self.name, repo_type=self.kind, revision=commit, recursive=True)
            files = [entry for entry in tree if isinstance(entry, RepoFile)]
            return {f.path: RemoteFile(f.size, f.lfs.sha256 if f.lfs else None, f.blob_id) for f in files}

        return patiently(listed)

    def text(self, path: str, commit: str) -> str:
        """A file as of a commit. What is no UTF-8 is shown as such."""
        with TemporaryDirectory() as scratch:
            file = patiently(
                lambda: self.api.hf_hub_download(
                    self.name, path, repo_type=self.kind, revision=commit, cache_dir=scratch
                )
            )
            return Path(file).read_text(encoding="utf-8", errors="replace")

    def tags(self) -> dict[str, str]:
        """Tag -> commit."""
        refs = patiently(lambda: self.api.list_repo_refs(self.name, repo_type=self.kind))
        return {tag.name: tag.target_commit for tag in refs.tags}

    def pull_requests(self) -> dict[int, str]:
        """Number -> commit, the newest first, closed ones too."""
        refs = patiently(lambda: self.api.list_repo_refs(self.name, repo_type=self.kind, include_pull_requests=True))
        numbered = {int(ref.ref.rpartition("/")[2]): ref.target_commit for ref in refs.pull_requests or ()}
        return dict(sorted(numbered.items(), reverse=True))

    def blob(self, path: str, commit: str) -> str | None:
        """The git hash of one file as of a commit, None where there is none."""
        found = patiently(lambda: self.api.get_paths_info(self.name, [path], repo_type=self.kind, revision=commit))
        return next((entry.blob_id for entry in found if isinstance(entry, RepoFile)), None)

    def child_of(self, commit: str, revision: str) -> str:
        """The commit of the branch that came right after this one; its newest where that is not to be seen."""
        history = patiently(lambda: self.api.list_repo_commits(self.name, repo_type=self.kind, revision=revision))
        newest_first = [entry.commit_id for entry in history]
        place = newest_first.index(commit) if commit in newest_first else 1
        return newest_first[max(place - 1, 0)]

    def create(self, *, private: bool) -> bool:
        """Make the repository; whether it was this call that did."""
        try:
            patiently(lambda: self.api.create_repo(self.name, repo_type=self.kind, private=private))
        except HfHubHTTPError as e:
            if status_of(e) != 409:
                raise
            return False
        return True

    def create_branch(self, branch: str) -> None:
        patiently(lambda: self.api.create_branch(self.name, branch=branch, repo_type=self.kind, exist_ok=True))

    def tag(self, name: str, commit: str) -> bool:
        """Name a commit; False where the name is another one's. Nothing happens where it is named so already."""
        try:
            patiently(lambda: self.api.create_tag(self.name, tag=name, revision=commit, repo_type=self.kind))
        except HfHubHTTPError as e:
            if status_of(e) != 409:
                raise
            return self.tags().get(name) == commit
        return True

    def delete(self) -> None:
        patiently(lambda: self.api.delete_repo(self.name, repo_type=self.kind, missing_ok=True))
