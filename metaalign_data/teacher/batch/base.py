"""What a server's batches look like from here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from metaalign_data.chat import ChatRequest, Completion, Usage
from metaalign_data.teacher.base import Client


@dataclass(frozen=True)
class Job:
    """One batch as its server sees it. `files` are those with answers and failures, as far as there are any."""

    id: str
    status: str
    mark: str = ""
    input_file: str = ""
    files: tuple[str, ...] = ()
    errors: str = ""

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Line:
    """What came of one request of a batch: an HTTP status with a body, or an error (a code and words)."""

    key: str
    status: int = 0
    body: Any = None
    code: str = ""
    message: str = ""


class Batches(Protocol):
    """The batches of one server. Every method raises TeacherError."""

    @property
    def fingerprint(self) -> str:
        """Tells one API key from another, and nothing about it."""
        ...

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """What stands in the line of `request`."""
        ...

    def read(self, line: Line, request: ChatRequest, sent: dict[str, Any]) -> Completion:
        """The answer to `request`. Raises TeacherError; a reason that is worth another try where it makes sense."""
        ...

    async def submit(self, lines: bytes, mark: str) -> str:
        """Start a batch of these lines (JSONL) and return its id. `mark` goes with it, and `find` knows it by that."""
        ...

    async def find(self, mark: str) -> Job | None: ...

    async def look(self, job_id: str) -> Job | None:
        """How the batch stands; None where the server knows none of this id, or not for this key."""
        ...

    def lines(self, job: Job) -> AsyncIterator[Line]: ...

    async def requests(self, job: Job) -> dict[str, ChatRequest]:
        """What was asked, by key, as far as the input file tells."""
        ...


@runtime_checkable
class Batching(Client, Protocol):
    """A client whose server takes batches."""

    notices: set[str]
    expenses: list[Usage]

    @property
    def batches(self) -> Batches: ...
