"""What a push leaves in the repository for the next one to know its own files by."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from metaalign_data.errors import UserError
from metaalign_data.hub.local import LocalFile, of_bytes

RECORD = ".metaalign-data.json"


class Record(BaseModel):
    """`files` are all that was pushed, as path -> SHA-256; `card` the card's metadata before anybody's edits."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: int
    files: Mapping[str, str]
    card: Mapping[str, Any] = {}

    @property
    def tag(self) -> str:
        return f"v{self.version}"

    def as_file(self) -> LocalFile:
        return of_bytes(f"{self.model_dump_json(indent=1)}\n".encode())


def parse_record(text: str, where: str) -> Record:
    try:
        return Record.model_validate_json(text)
    except ValidationError as e:
        fix = "put back its last good version, or push to another name"
        raise UserError(f"{RECORD} there cannot be read", where=where, fix=fix) from e
