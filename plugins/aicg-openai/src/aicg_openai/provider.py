"""`OpenAIProvider`: one attempt at a request, by Chat Completions."""

from __future__ import annotations

import logging
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import attrs

from aicg import (
    BaseProvider,
    Chunk,
    ConnectionError,
    InputEstimate,
    InvalidRequestError,
    ModelInfo,
    ProviderError,
    TimeoutError,
    Usage,
)
from aicg_openai import codec
from aicg_openai.families import family_of
from aicg_openai.settings import Endpoint, OpenAISettings, find_endpoint
from aicg_openai.tokens import estimate
from aicg_openai.transport import Transport, TransportError, drain
from aicg_openai.vocabularies import Vocabularies

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aicg import Request, Response
    from aicg_openai.transport import Flow

log = logging.getLogger("aicg")

_CHAT: Final = "/chat/completions"
_MODELS: Final = "/models"


class _Line(NamedTuple):
    """What an instance needs to talk to its server."""

    endpoint: Endpoint
    transport: Transport
    failures: codec.Failures


class OpenAIProvider(BaseProvider):
    """OpenAI, or another server that speaks its Chat Completions."""

    settings_type: ClassVar[type[Any]] = OpenAISettings
    settings: OpenAISettings

    def __init__(self, name: str, settings: OpenAISettings) -> None:
        super().__init__(name, settings)
        self.vendor = settings.vendor or ("openai" if settings.base_url is None else name)
        self._vocabularies = Vocabularies(settings.tokenizer)
        self._line: _Line | None = None
        self._noted: set[tuple[str, str]] = set()

    async def chat(self, request: Request) -> Response:
        """Return the answer to the request, from one attempt.

        Raises:
            ProviderError: There is no answer.
            APIKeyMissingError: The server needs a key and none is set.
        """
        line = self._open_line()
        body = self._body(request, line)
        try:
            answer = await line.transport.post(_CHAT, body)
        except TransportError as error:
            raise self._lost(error, line, request.model_name) from error
        if answer.status >= 300:
            raise line.failures.from_answer(
                answer.status, answer.headers, answer.body, request.model_name
            )
        return self._read(answer.body, answer.headers, request, line)

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Yield the answer in pieces; the last chunk has the whole `response`.

        Raises:
            ProviderError: There is no answer, or it broke off.
            APIKeyMissingError: The server needs a key and none is set.
        """
        line = self._open_line()
        body = self._body(request, line, stream=True)
        decoder = codec.StreamDecoder()
        try:
            async with line.transport.stream(_CHAT, body) as flow:
                if flow.status >= 300:
                    raise line.failures.from_answer(
                        flow.status, flow.headers, await flow.read(), request.model_name
                    )
                if _is_stream(flow):
                    async with aclosing(_chunks(flow, decoder)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    response = self._respond(decoder.payload(), flow.headers, request)
                else:
                    response = self._read(await flow.read(), flow.headers, request, line)
                    yield Chunk(text=response.text, reasoning=response.reasoning)
        except TransportError as error:
            raise self._lost(error, line, request.model_name, decoder) from error
        except codec.StreamedError as error:
            failure = line.failures.from_event(error.event, flow.headers, request.model_name)
            failure.usage = codec.read_usage(decoder.usage)
            raise failure from None
        except codec.WireError as error:
            failure = line.failures.unreadable(error, flow.headers, request.model_name)
            failure.usage = codec.read_usage(decoder.usage)
            raise failure from error
        yield Chunk(response=response)

    def estimate_input(self, request: Request) -> InputEstimate:
        """Return how many tokens the input has: counted where tiktoken can, else by its bytes."""
        # Other vendors' models have other vocabularies, whatever their names.
        is_exact = self.vendor == "openai"
        return estimate(
            request,
            family=family_of(request.model_name),
            count=self._vocabularies.counter(request.model_name) if is_exact else None,
            document_tokens=self.settings.document_tokens,
        )

    def get_model_info(self, model: str) -> ModelInfo | None:
        """Return what is known of the family of an OpenAI model; prices are not known here."""
        family = family_of(model)
        if family is None:
            return None
        return ModelInfo(
            provider=self.name,
            model=model,
            context_window=family.context_window,
            capabilities=family.capabilities(),
        )

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Return the models that the server offers to this key, by name.

        Raises:
            ProviderError: The server cannot be reached, or refuses.
            APIKeyMissingError: The server needs a key and none is set.
        """
        line = self._open_line()
        try:
            answer = await line.transport.get(_MODELS)
        except TransportError as error:
            raise self._lost(error, line, "") from error
        if answer.status >= 300:
            raise line.failures.from_answer(answer.status, answer.headers, answer.body, "")
        try:
            names = codec.read_models(answer.body)
        except codec.WireError as error:
            raise line.failures.unreadable(error, answer.headers, "") from error
        return tuple(
            self.get_model_info(name) or ModelInfo(provider=self.name, model=name) for name in names
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._line is not None:
            await self._line.transport.aclose()

    def _open_line(self) -> _Line:
        if self._line is None:
            endpoint = find_endpoint(self.name, self.settings, os.environ)
            failures = codec.Failures(
                provider=self.name, redact=endpoint.key.redact, key_hint=endpoint.key_hint
            )
            self._line = _Line(endpoint, Transport(endpoint, self.settings), failures)
        return self._line

    def _body(self, request: Request, line: _Line, *, stream: bool = False) -> bytes:
        family = family_of(request.model_name)
        cap_field = self.settings.output_cap_field
        if cap_field is None:
            is_openai = line.endpoint.is_openai or family is not None
            cap_field = "max_completion_tokens" if is_openai else "max_tokens"
        for option in codec.left_out(request, family):
            self._note(request.model_name, f"takes no {option}; it is not sent")
        try:
            body = codec.to_wire(request, family=family, cap_field=cap_field, stream=stream)
            return codec.dump(body)
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(
                f"{self.name}: the request cannot be written as JSON: {error}",
                provider=self.name,
                model=request.model_name,
            ) from error

    def _read(
        self, body: bytes, headers: Mapping[str, str], request: Request, line: _Line
    ) -> Response:
        try:
            payload = codec.parse(body)
            if payload.get("error") and not payload.get("choices"):
                raise line.failures.from_event(payload, headers, request.model_name)
            return self._respond(payload, headers, request)
        except codec.WireError as error:
            raise line.failures.unreadable(error, headers, request.model_name) from error

    def _respond(
        self, payload: Mapping[str, Any], headers: Mapping[str, str], request: Request
    ) -> Response:
        stated = codec.read_usage(payload.get("usage"))
        response = codec.from_wire(
            payload,
            headers,
            self._assumed_usage(payload, request) if stated is None else stated,
            model=request.model_name,
            include_raw=request.include_raw,
        )
        return attrs.evolve(response, usage_assumed=True) if stated is None else response

    def _assumed_usage(self, payload: Mapping[str, Any], request: Request) -> Usage:
        """Return the most that an answer can have used which does not say what it used."""
        self._note(request.model_name, "stated no usage; it is reckoned at the most it can be")
        family = family_of(request.model_name)
        output, cap = codec.output_bytes(payload), request.max_output_tokens
        if cap is not None:
            effort = family and family.effort and (request.reasoning_effort or family.effort)
            has_hidden = effort not in {None, "none"}
            output = cap if has_hidden else min(cap, output)
        return Usage(input_tokens=self.estimate_input(request).upper, output_tokens=output)

    def _lost(
        self,
        error: TransportError,
        line: _Line,
        model: str,
        decoder: codec.StreamDecoder | None = None,
    ) -> ProviderError:
        kind = TimeoutError if error.timed_out else ConnectionError
        what = "no answer in time from" if error.timed_out else "no whole answer from"
        advice = ""
        if not error.sent:
            what, advice = "cannot reach", " - check the address and the network"
        return kind(
            line.failures.redact(f"{self.name}: {what} {line.endpoint.url}: {error}{advice}"),
            provider=self.name,
            model=model,
            outcome="unknown" if error.sent else "rejected",
            usage=codec.read_usage(decoder.usage) if decoder else None,
        )

    def _note(self, model: str, text: str) -> None:
        if (model, text) not in self._noted:
            self._noted.add((model, text))
            log.warning("%s:%s %s", self.name, model, text)


def _is_stream(flow: Flow) -> bool:
    # Some servers send all at once whatever they are asked; a proxy may send a page.
    kind = flow.headers.get("content-type", "")
    return "json" not in kind and "html" not in kind


async def _chunks(flow: Flow, decoder: codec.StreamDecoder) -> AsyncGenerator[Chunk, None]:
    """Yield what a stream brings, and return at its end.

    Raises:
        TransportError: It broke off before the answer was whole.
    """
    splitter = codec.EventSplitter()
    async with aclosing(flow.pieces()) as pieces:
        try:
            async for piece in pieces:
                for data in splitter.feed(piece):
                    if data.startswith(codec.DONE):
                        await drain(pieces)
                        break
                    chunk = decoder.feed(data)
                    if chunk is not None:
                        yield chunk
        except TransportError:
            if decoder.finish_reason is None:
                raise
    if decoder.finish_reason is None:
        raise TransportError("the stream ended before the answer did", sent=True, timed_out=False)
