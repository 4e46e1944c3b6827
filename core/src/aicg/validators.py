"""The contract of a validator: it looks at an answer and says what is wrong with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from aicg.exchange import Request, Response


@attrs.frozen(kw_only=True)
class ValidationResult:
    """What a validator found.

    Attributes:
        errors: What is wrong, one plain sentence each; none means that the answer is good.
        value: The answer in the form that the validator made of it, if it made one.
    """

    errors: tuple[str, ...] = ()
    value: Any = None

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors


class BaseValidator(ABC):
    """Looks at answers. Announced by `aicg_validators`."""

    name: str

    @abstractmethod
    async def validate(self, response: Response, request: Request) -> ValidationResult:
        """Return what is wrong with the answer to the request; never raise for a bad answer."""
