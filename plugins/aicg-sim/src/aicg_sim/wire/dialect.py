"""What the protocols have in common: a request is read, an answer is written, or an error."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import attrs

import aicg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aicg_sim.engine import Answer

# What of a stream an event is: faults leave some of them out.
EventKind = Literal["start", "piece", "end", "usage"]
NOTHING: Final[Mapping[str, Any]] = {}


@attrs.frozen
class Asked:
    """A request for an answer, as it was read from the wire.

    Attributes:
        stream: Whether the answer is to come in pieces.
        with_usage: Whether a stream is to end with its usage.
    """

    request: aicg.Request
    stream: bool = False
    with_usage: bool = True


class Dialect(ABC):
    """One vendor's way of speaking."""

    request_id_header: ClassVar[str]

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body of a request asks.

        Raises:
            InvalidRequestError: It is not in the vendor's form.
        """

    @abstractmethod
    def write(self, answer: Answer, asked: Asked, answer_id: str) -> dict[str, Any]:
        """Return the body of an answer."""

    @abstractmethod
    def without(self, body: dict[str, Any], what: Literal["finish", "usage"]) -> dict[str, Any]:
        """Return the body of an answer that lacks its finish reason, or its usage."""

    @abstractmethod
    def events(
        self, answer: Answer, asked: Asked, answer_id: str
    ) -> Iterator[tuple[EventKind, bytes]]:
        """Yield the events of a streamed answer."""

    @abstractmethod
    def error(self, status: int, code: str, message: str, request_id: str) -> dict[str, Any]:
        """Return the body of an error."""

    @abstractmethod
    def error_event(self, request_id: str) -> bytes:
        """Return an event that says that the model has failed."""

    @abstractmethod
    def junk_event(self) -> bytes:
        """Return an event whose data is not JSON."""

    @abstractmethod
    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the list of models."""

    @abstractmethod
    def model(self, name: str) -> dict[str, Any]:
        """Return one model of the list."""

    @abstractmethod
    def limits(self, used: int) -> Mapping[str, str]:
        """Return the headers that tell the rate limits."""


def dumps(value: object) -> bytes:
    """Return compact JSON, in ASCII: half a surrogate pair in a prompt breaks no answer."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def refused(message: str, param: str) -> aicg.InvalidRequestError:
    """Return the error for a request that is not in the vendor's form."""
    return aicg.InvalidRequestError(f"{param}: {message}", code=param, status_code=400)


def of_type(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    """Return a field that may be absent or null, or raise.

    Raises:
        InvalidRequestError: It is of another type.
    """
    value = body.get(name)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is not None and (
        not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
    ):
        expected = " or ".join(each.__name__ for each in kinds)
        raise refused(f"expected {expected}, got {type(value).__name__}", name)
    return value


def needed(body: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a field that must be there, or raise.

    Raises:
        InvalidRequestError: It is not there, or is empty, or of another type.
    """
    value = of_type(body, name, kind)
    if not value:
        raise refused("you must provide this parameter", name)
    return value
