"""Requests to the Hub: which may be sent again, and its refusals in words."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub import errors as hub_errors
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from metaalign_data.errors import MetaalignError, UserError

T = TypeVar("T")

ATTEMPTS = 5
LONGEST_WAIT_S = 60.0
_PASSING = (408, 429, 500, 502, 503, 504)
# Of whichever HTTP library the client uses: the base of its errors of transport.
_HTTP_ERROR: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]
_backoff = wait_exponential_jitter(initial=1, max=20)


class HubUnavailable(MetaalignError):
    """The Hub could not be reached, or kept failing: the same command may succeed later."""


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error of the client, which wraps those of its uploads; None where there was none."""
    response = getattr(_http_error(error), "response", None)
    return response.status_code if response is not None else None


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later: no answer, a broken one, or one that says so."""
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if (status := status_of(error)) is not None:
        return status in _PASSING
    # Uploads by hf_xet raise nothing finer than RuntimeError; a page of HTML in place of JSON is a proxy's.
    broken = ConnectionError | TimeoutError | json.JSONDecodeError | RuntimeError
    return _http_error(error) is not None or isinstance(error, broken)


def patiently(ask: Callable[[], T]) -> T:
    """The answer to a request that does no harm when it is sent twice. Raises its last error after ATTEMPTS tries."""
    for attempt in Retrying(
        retry=retry_if_exception(may_pass), stop=stop_after_attempt(ATTEMPTS), wait=_wait_s, reraise=True
    ):
        with attempt:
            return ask()
    raise AssertionError("tenacity either returns or raises")


def wait_s(error: BaseException, otherwise: float) -> float:
    """Seconds until the next try: what the Hub asks for, within reason."""
    response = getattr(_http_error(error), "response", None)
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(asked), LONGEST_WAIT_S) if asked.isdecimal() else otherwise


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return wait_s(error, _backoff(state)) if error else 0.0


@contextmanager
def in_words(repo: str) -> Iterator[None]:
    """Errors of the client come out as UserError where the user can mend them, else as HubUnavailable."""
    try:
        yield
    except MetaalignError:
        raise
    except LocalTokenNotFoundError as e:
        raise UserError("no token of the Hub is set", fix="set HF_TOKEN, or log in with `hf auth login`") from e
    except OfflineModeIsEnabled as e:
        raise UserError("the Hub's client is offline", fix="unset HF_HUB_OFFLINE") from e
    except HFValidationError as e:
        raise UserError(str(e).strip(), where=repo) from e
    except Exception as e:
        if may_pass(e):
            raise HubUnavailable(
                f"{repo}: the Hub cannot be reached: {_said(e)}; the same command goes on where this one stopped"
            ) from e
        if refusal := _refusal(e, repo):
            raise refusal from e
        raise


def _refusal(error: Exception, repo: str) -> UserError | None:
    status = status_of(error)
    if status == 401:
        said = "the Hub does not accept the token, or there is none"
        return UserError(said, where=repo, fix="set HF_TOKEN, or log in with `hf auth login`")
    if status == 403:
        said = f"this token may not do that: {_said(error)}"
        return UserError(said, where=repo, fix="take a token that may write, and a name below one of your own")
    if isinstance(error, RevisionNotFoundError):
        return UserError("there is no such revision", where=repo)
    if isinstance(error, RepositoryNotFoundError):
        return UserError("there is no such repository, or this token may not see it", where=repo)
    if status is not None or isinstance(error, ValueError):
        return UserError(f"the Hub refuses it: {_said(error)}", where=repo)
    return None


def _said(error: BaseException) -> str:
    """What the Hub itself said, else the error's own words on one line."""
    http = _http_error(error)
    return getattr(http, "server_message", None) or " ".join(str(http or error).split()) or type(error).__name__


def _http_error(error: BaseException) -> BaseException | None:
    """The HTTP error that this one is, or was raised from."""
    step: BaseException | None = error
    while step is not None and not isinstance(step, (HfHubHTTPError, _HTTP_ERROR)):
        step = step.__cause__
    return step
