"""Answers that are errors, each as one subclass of `ProviderError`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aicg import (
    AuthenticationError,
    ContentFilterError,
    InvalidRequestError,
    ModelNotFoundError,
    ProviderError,
    RateLimitError,
    ServerError,
    TimeoutError,
    TokenLimitError,
)
from aicg_openai.codec.payloads import WireError, parse
from aicg_openai.codec.waits import retry_after_s

if TYPE_CHECKING:
    from aicg import Outcome

Headers = Mapping[str, str]
_NO_HEADERS: Final[Headers] = {}
_LONGEST_TEXT: Final = 500


class _Kind(NamedTuple):
    """What an error is, whether to try again, and what the user can do."""

    error: type[ProviderError]
    what: str
    advice: str
    again: bool | None = None


_KEY = _Kind(AuthenticationError, "the key is refused", "")
_FORBIDDEN = _Kind(
    AuthenticationError, "the key may not do this", "check what the key's project is allowed"
)
_CREDIT = _Kind(
    RateLimitError,
    "the account has no credit left",
    "add credit or raise its limit",
    again=False,
)
_RATE = _Kind(RateLimitError, "too many requests or tokens", "send fewer at once")
_TOO_LARGE = _Kind(
    RateLimitError,
    "the request alone passes the rate limit",
    "shorten it or raise the limit",
    again=False,
)
_MODEL = _Kind(
    ModelNotFoundError, "no such model for this key", "`aicg models` lists those there are"
)
_LENGTH = _Kind(
    TokenLimitError, "the request is too long", "shorten it or take a model with a larger window"
)
_CONTENT = _Kind(ContentFilterError, "the request is refused for its content", "rephrase it")
_REQUEST = _Kind(InvalidRequestError, "the request is refused", "change what the message names")
_ADDRESS = _Kind(InvalidRequestError, "nothing answers at this address", "check base_url")
_CONFLICT = _Kind(InvalidRequestError, "the request clashes with another", "try again", again=True)
_LATE = _Kind(TimeoutError, "the request took too long to arrive", "try again")
_SERVER = _Kind(ServerError, "the server failed", "try again later")

# By the `code` of an error, or its `type`; these say more than a status does.
_CODES: Final[Mapping[str, _Kind]] = {
    "invalid_api_key": _KEY,
    "account_deactivated": _KEY,
    "authentication_error": _KEY,
    "billing_hard_limit_reached": _CREDIT,
    "billing_not_active": _CREDIT,
    "credit_balance_exhausted": _CREDIT,
    "insufficient_balance": _CREDIT,
    "insufficient_quota": _CREDIT,
    "organization_spend_limit_exceeded": _CREDIT,
    "organization_usage_limit_exceeded": _CREDIT,
    "project_spend_limit_exceeded": _CREDIT,
    "rate_limit_error": _RATE,
    "rate_limit_exceeded": _RATE,
    "requests": _RATE,
    "slow_down": _RATE,
    "tokens": _RATE,
    "model_decommissioned": _MODEL,
    "model_not_found": _MODEL,
    "context_length_exceeded": _LENGTH,
    "string_above_max_length": _LENGTH,
    "content_filter": _CONTENT,
    "content_policy_violation": _CONTENT,
    "invalid_prompt": _CONTENT,
    "moderation_blocked": _CONTENT,
    "server_error": _SERVER,
    "server_is_overloaded": _SERVER,
    "service_unavailable_error": _SERVER,
}
_STATUSES: Final[Mapping[int, _Kind]] = {
    400: _REQUEST,
    401: _KEY,
    402: _CREDIT,
    403: _FORBIDDEN,
    404: _ADDRESS,
    408: _LATE,
    409: _CONFLICT,
    413: _LENGTH,
    422: _REQUEST,
    429: _RATE,
}
# What servers say that have no code for it.
_TEXTS: Final = (
    (
        _LENGTH,
        r"context (length|window)|maximum context|(prompt|input) is too long|too many tokens",
    ),
    (_MODEL, r"model\b.{0,80}(not found|not exist)|not a valid model|invalid model"),
    (_KEY, r"(invalid|incorrect) api key|api key not valid"),
)
# A gateway that waited in vain cannot say whether the server behind it went on, and bills.
_UNKNOWN_STATUSES: Final = frozenset({504, 524})


class Failures:
    """Makes the errors of one provider instance.

    Args:
        provider: The instance's name.
        redact: Takes the key out of a text.
        key_hint: Where the key is set.
    """

    def __init__(self, *, provider: str, redact: Callable[[str], str], key_hint: str) -> None:
        self.provider = provider
        self.redact = redact
        self.key_hint = key_hint

    def from_answer(self, status: int, headers: Headers, body: bytes, model: str) -> ProviderError:
        """Return the error that an HTTP answer with an error's status is."""
        try:
            payload = parse(body)
        except WireError:
            # A page is for people with browsers.
            text = "" if body.lstrip()[:1] == b"<" else body.decode(errors="replace")
            payload = {"error": {"message": text}}
        outcome: Outcome = "unknown" if status in _UNKNOWN_STATUSES else "rejected"
        return self._make(payload, status, headers, model=model, outcome=outcome)

    def from_event(self, payload: Mapping[str, Any], headers: Headers, model: str) -> ProviderError:
        """Return the error that an answer tells of though its status is 200."""
        return self._make(payload, 200, headers, model=model, outcome="unknown")

    def unreadable(self, cause: object, headers: Headers, model: str) -> ServerError:
        """Return the error for an answer, of status 200, that cannot be read."""
        return ServerError(
            self.redact(f"{self.provider}: {cause} - check base_url"),
            provider=self.provider,
            model=model,
            status_code=200,
            request_id=headers.get("x-request-id"),
            outcome="unknown",
        )

    def _make(
        self,
        payload: Mapping[str, Any],
        status: int,
        headers: Headers,
        *,
        model: str,
        outcome: Outcome,
    ) -> ProviderError:
        detail = payload.get("error", payload)
        fields: Mapping[str, Any] = detail if isinstance(detail, Mapping) else {}
        text = str(
            fields.get("message")
            or fields.get("detail")
            or (detail if isinstance(detail, str) else "")
        )
        code = next((fields[key] for key in ("code", "type") if fields.get(key)), None)
        # Some servers answer 200 and put the status into the code.
        meant = code if status == 200 and isinstance(code, int) else status
        kind = _kind(meant, fields, text)
        retryable = kind.again
        if kind is not _CREDIT and headers.get("x-should-retry") in {"true", "false"}:
            retryable = headers["x-should-retry"] == "true"
        return kind.error(
            self._message(kind, status, code, text),
            provider=self.provider,
            model=model,
            status_code=status,
            code=None if code is None else self.redact(str(code)),
            request_id=headers.get("x-request-id"),
            retryable=retryable,
            retry_after_s=retry_after_s(headers),
            outcome=outcome,
        )

    def _message(self, kind: _Kind, status: int, code: object, text: str) -> str:
        advice = f"check {self.key_hint}" if kind is _KEY else kind.advice
        facts = f"HTTP {status}" if code is None else f"HTTP {status}, {code}"
        # What a server says of a refused key shows parts of the key.
        said = "" if kind is _KEY or not text else f": {' '.join(text.split())[:_LONGEST_TEXT]}"
        return self.redact(f"{self.provider}: {kind.what} ({facts}){said} - {advice}")


def _kind(status: int, fields: Mapping[str, Any], text: str) -> _Kind:
    for key in ("code", "type"):
        kind = _CODES.get(str(fields.get(key)))
        if kind is _RATE and (status == 413 or text.lower().startswith("request too large")):
            return _TOO_LARGE
        if kind is not None:
            return kind
    if 400 <= status < 500 and status != 429:
        for kind, pattern in _TEXTS:
            if re.search(pattern, text.lower()):
                return kind
        return _STATUSES.get(status, _REQUEST)
    return _STATUSES.get(status, _SERVER)
