"""What every validator is held to."""

from __future__ import annotations

import pytest

from aicg.exchange import Request, Response
from aicg.messages import Message, Text
from aicg.validators import BaseValidator, ValidationResult


class ValidatorContract:
    """Subclass it, and give it a validator, an answer that is good and one that is not."""

    good: str
    bad: str

    def validator(self) -> BaseValidator:
        """Return the validator."""
        raise NotImplementedError

    async def validate(self, text: str) -> ValidationResult:
        """Return what the validator says of an answer."""
        request = Request(model="fake:model", messages=(Message("user", "Write."),))
        return await self.validator().validate(Response(parts=(Text(text),)), request)

    def test_it_has_a_name(self) -> None:
        assert self.validator().name

    @pytest.mark.anyio
    async def test_a_good_answer_has_no_errors(self) -> None:
        result = await self.validate(self.good)

        assert result.valid
        assert result.errors == ()

    @pytest.mark.anyio
    async def test_a_bad_answer_has_errors_in_plain_words(self) -> None:
        result = await self.validate(self.bad)

        assert not result.valid
        assert all(error.strip() for error in result.errors)

    @pytest.mark.anyio
    async def test_an_empty_answer_is_judged_and_raises_nothing(self) -> None:
        assert isinstance(await self.validate(""), ValidationResult)
