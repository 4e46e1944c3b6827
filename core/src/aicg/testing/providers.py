"""What every provider is held to."""

from __future__ import annotations

import pickle
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from aicg.errors import ProviderError
from aicg.exchange import Chunk, Request, Response
from aicg.messages import Message
from aicg.provider import BaseProvider, InputEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence


class ProviderContract:
    """Subclass it, and give it a provider that talks to a server of yours on the loopback."""

    model: str = "model"
    """The model that requests name."""

    def provider(self) -> AbstractAsyncContextManager[BaseProvider]:
        """Return a context manager that gives a provider whose server answers, and closes both."""
        raise NotImplementedError

    def failing_provider(self) -> AbstractAsyncContextManager[BaseProvider]:
        """Return the same with a server that refuses every request."""
        raise NotImplementedError

    def request(self, prompt: str = "Say hello.", **fields: Any) -> Request:
        """Return a request as the kernel sends it: with an output cap."""
        fields.setdefault("max_output_tokens", 200)
        return Request(model=f"p:{self.model}", messages=(Message("user", prompt),), **fields)

    @pytest.mark.anyio
    async def test_chat_answers_with_text_and_usage(self) -> None:
        async with self.provider() as provider:
            response = await provider.chat(self.request())

        assert response.text
        assert response.usage.total_input_tokens > 0
        assert response.usage.total_output_tokens > 0
        assert response.model
        assert response.finish_reason in {"stop", "length"}

    @pytest.mark.anyio
    async def test_a_stream_ends_with_the_whole_answer_and_has_it_once(self) -> None:
        async with self.provider() as provider:
            chunks = await _read(provider, self.request())

        responses = [chunk.response for chunk in chunks if chunk.response is not None]
        assert len(responses) == 1
        assert chunks[-1].response is responses[0]
        assert "".join(chunk.text for chunk in chunks) == responses[0].text

    @pytest.mark.anyio
    async def test_a_stream_gives_the_same_answer_as_chat(self) -> None:
        async with self.provider() as provider:
            plain = await provider.chat(self.request())
            (*_, last) = await _read(provider, self.request())

        assert last.response is not None
        assert _essence(last.response) == _essence(plain)

    @pytest.mark.anyio
    async def test_the_upper_bound_of_the_input_is_never_below_what_is_billed(self) -> None:
        prompts = ["a", "Explain recursion. " * 40, "Größe 東京 🎉 \u0000 \n" * 20]
        async with self.provider() as provider:
            billed = [
                (provider.estimate_input(request), await provider.chat(request))
                for request in map(self.request, prompts)
            ]

        for estimate, response in billed:
            assert isinstance(estimate, InputEstimate)
            assert response.usage.total_input_tokens <= estimate.upper
            assert estimate.likely <= estimate.upper

    @pytest.mark.anyio
    async def test_the_output_cap_holds(self) -> None:
        async with self.provider() as provider:
            response = await provider.chat(self.request("Write a long story.", max_output_tokens=5))

        assert response.usage.total_output_tokens <= 5
        assert response.finish_reason == "length"

    @pytest.mark.anyio
    async def test_a_refusal_is_a_provider_error_that_survives_pickling(self) -> None:
        async with self.failing_provider() as provider:
            with pytest.raises(ProviderError) as caught:
                await provider.chat(self.request())
            with pytest.raises(ProviderError) as caught_streaming:
                await _read(provider, self.request())

        assert type(caught.value) is type(caught_streaming.value)
        assert caught.value.outcome in {"rejected", "unknown"}
        copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
        assert type(copy) is type(caught.value)
        assert copy.__dict__ == caught.value.__dict__

    @pytest.mark.anyio
    async def test_many_tasks_use_one_provider_at_once(self) -> None:
        responses: list[Response] = []

        async def ask(number: int) -> None:
            responses.append(await provider.chat(self.request(f"Say {number}.")))

        async with self.provider() as provider, anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(ask, number)

        assert len(responses) == 20

    @pytest.mark.anyio
    async def test_a_stream_left_half_read_leaves_the_provider_usable(self) -> None:
        async with self.provider() as provider:
            async with aclosing(provider.stream(self.request())) as chunks:
                await anext(chunks)
            response = await provider.chat(self.request())

        assert response.text

    @pytest.mark.anyio
    async def test_a_cancelled_call_ends_at_once_and_leaves_the_provider_usable(self) -> None:
        async with self.provider() as provider:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await provider.chat(self.request())
            response = await provider.chat(self.request())

        assert scope.cancelled_caught
        assert response.text

    @pytest.mark.anyio
    async def test_listed_models_bear_the_provider_s_name(self) -> None:
        async with self.provider() as provider:
            models = await provider.list_models()

        assert all(info.provider == provider.name and info.model for info in models)


async def _read(provider: BaseProvider, request: Request) -> Sequence[Chunk]:
    async with aclosing(provider.stream(request)) as chunks:
        return [chunk async for chunk in chunks]


def _essence(response: Response) -> dict[str, Any]:
    """Return what two answers to one question have in common."""
    fields = attrs.asdict(response, recurse=False)
    names = ("parts", "finish_reason", "model", "usage")
    return {name: fields[name] for name in names}
