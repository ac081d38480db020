"""Faults on order: how often, and when. Which requests are struck follows from their content alone."""

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0.0, le=1.0)]
Fault = Literal[
    "wrong_answer",
    "judge_error",
    "position_bias",
    "length_bias",
    "refusal",
    "malformed_json",
    "rate_limit",
    "server_error",
]


class Faults(BaseModel):
    """Shares of requests, 0 to 1, that each fault strikes; none by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    wrong_answer: Rate = Field(default=0.0, description="responses written for the contrasting value")
    judge_error: Rate = Field(default=0.0, description="verdicts that name the wrong response")
    position_bias: Rate = Field(default=0.0, description="verdicts for whichever response is shown first")
    length_bias: Rate = Field(default=0.0, description="verdicts for whichever response is longer")
    refusal: Rate = Field(default=0.0, description="requests that are declined")
    malformed_json: Rate = Field(default=0.0, description="JSON answers that break off")
    rate_limit: Rate = Field(default=0.0, description="attempts that end with 429")
    server_error: Rate = Field(default=0.0, description="attempts that end with 500")
    latency_ms: float = Field(default=0.0, ge=0.0, description="time that each answer takes")
    retry_after_s: float = Field(default=0.05, ge=0.0, description="wait that a 429 asks for")

    def strikes(self, fault: Fault, key: bytes, attempt: int = 0) -> bool:
        """Whether `fault` strikes the request with this key. Each fault, key and attempt is an independent draw."""
        rate: float = getattr(self, fault)
        if rate <= 0.0:
            return False
        drawn = hashlib.blake2b(key + attempt.to_bytes(4, "big"), digest_size=8, person=fault.encode()[:16]).digest()
        return int.from_bytes(drawn, "big") < rate * 2.0**64
