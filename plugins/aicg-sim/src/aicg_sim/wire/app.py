"""What the server does with a request: who may ask, what, and what goes wrong."""

from __future__ import annotations

import asyncio  # noqa: TID251 - the server runs on a loop of its own, in its own thread
import itertools
import json
import math
from typing import TYPE_CHECKING, Any, Final

import attrs

import aicg
from aicg_sim.catalogue import MODEL_NAMES
from aicg_sim.engine import Answer, Engine, check, count_request
from aicg_sim.faults import KINDS, OK, STATUSES, FaultPlan
from aicg_sim.wire.anthropic import Anthropic
from aicg_sim.wire.dialect import Asked, Dialect, EventKind, dumps
from aicg_sim.wire.openai import OpenAI
from aicg_sim.wire.reading import Incoming
from aicg_sim.wire.replies import Replies
from aicg_sim.wire.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aicg_sim.settings import SimSettings

_OPENAI: Final = OpenAI()
_ANTHROPIC: Final = Anthropic()
_ANSWERING: Final[Mapping[str, Dialect]] = {
    "/v1/chat/completions": _OPENAI,
    "/v1/messages": _ANTHROPIC,
}
_COUNTING: Final = "/v1/messages/count_tokens"
_MODELS: Final = "/v1/models"
_MESSAGES: Final = {
    401: "no key was sent: give any text as the key",
    404: "there is nothing at this path",
    405: "this path takes another method",
}
_CODES: Final = {401: "invalid_api_key", 404: "not_found", 405: "method_not_allowed"}
_FAULT_CODES: Final = {
    "400": "invalid_request",
    "401": "invalid_api_key",
    "402": "insufficient_quota",
    "429": "rate_limit_exceeded",
    "500": "server_error",
    "503": "service_unavailable",
    "529": "overloaded",
}


@attrs.frozen
class _Exchange:
    """A request under way: who asks how, and where the reply goes."""

    incoming: Incoming
    dialect: Dialect
    replies: Replies
    request_id: str
    headers: dict[str, str]


class App:
    """Answers requests from the engine, by the fault plan."""

    def __init__(self, settings: SimSettings, plan: FaultPlan) -> None:
        self.stats = Stats()
        self._settings = settings
        self._plan = plan
        self._engine = Engine(settings.seed)
        self._numbers = itertools.count()
        self._answers = itertools.count()

    async def respond(self, incoming: Incoming, replies: Replies) -> None:
        """Reply to a request.

        Raises:
            Broken: The connection cannot go on, because a fault wanted it so.
        """
        if incoming.path == "/health":
            await replies.send(200, b'{"status":"ok"}', {})
            return
        if incoming.path == "/stats":
            await replies.send(200, dumps(self.stats.to_dict()), {})
            return
        dialect = _dialect_of(incoming)
        request_id = f"req_{next(self._numbers):012}"
        headers = {dialect.request_id_header: request_id, **dialect.limits(self.stats.in_flight)}
        exchange = _Exchange(incoming, dialect, replies, request_id, headers)
        if incoming.path not in _ANSWERING or incoming.method != "POST":
            await self._look_up(exchange)
            return
        self.stats.begin()
        try:
            await self._answer(exchange)
        finally:
            self.stats.end()

    async def _look_up(self, exchange: _Exchange) -> None:
        """Reply to all that is not a request for an answer."""
        incoming, dialect = exchange.incoming, exchange.dialect
        method = "POST" if incoming.path in (*_ANSWERING, _COUNTING) else "GET"
        name = incoming.path.removeprefix(f"{_MODELS}/")
        if not _has_key(incoming):
            await self._refuse(exchange, 401)
        elif not incoming.path.startswith(("/v1/messages", "/v1/chat/completions", _MODELS)):
            await self._refuse(exchange, 404)
        elif incoming.method != method:
            await self._refuse(exchange, 405)
        elif incoming.path == _COUNTING:
            await self._count(exchange)
        elif incoming.path == _MODELS:
            await self._send(exchange, 200, dialect.models(MODEL_NAMES))
        elif name in MODEL_NAMES:
            await self._send(exchange, 200, dialect.model(name))
        else:
            await self._refuse(exchange, 404)

    async def _count(self, exchange: _Exchange) -> None:
        try:
            request = _read(_ANTHROPIC.read_count, exchange.incoming).request
            check(attrs.evolve(request, max_output_tokens=None))
        except aicg.ProviderError as error:
            await self._refuse(exchange, error.status_code or 400, error)
            return
        await self._send(exchange, 200, {"input_tokens": count_request(request)})

    async def _answer(self, exchange: _Exchange) -> None:
        if not _has_key(exchange.incoming):
            await self._refuse(exchange, 401)
            return
        fault = exchange.incoming.headers.get("x-sim-fault")
        if fault is None:
            fault = self._plan.fault_of(next(self._answers))
        if fault in KINDS:
            self.stats.faults[fault] += 1
        if await self._struck_before(fault, exchange):
            return
        try:
            asked = _read(exchange.dialect.read, exchange.incoming)
            answer = self._engine.answer(asked.request)
        except aicg.ProviderError as error:
            await self._refuse(exchange, error.status_code or 400, error)
            return
        if fault == "error-event" and not asked.stream:
            # What a vendor refuses by its status, it does not bill.
            await self._fail(exchange, "500")
            return
        self.stats.charge(asked.request.model_name, answer.usage)
        if self._settings.latency_s:
            await asyncio.sleep(self._settings.latency_s)
        self.stats.statuses[200] += 1
        if fault == "reset":
            exchange.replies.reset()
        elif asked.stream:
            await self._stream(exchange, asked, answer, fault)
        else:
            await self._reply(exchange, asked, answer, fault)

    async def _struck_before(self, fault: str, exchange: _Exchange) -> bool:
        """Do what a fault does before a model has read the request; tell whether that is all."""
        if fault in STATUSES:
            await self._fail(exchange, fault)
        elif fault == "hang":
            await exchange.replies.hang()
        elif fault == "html":
            self.stats.statuses[200] += 1
            await exchange.replies.send_page(exchange.headers)
        elif fault == "slow":
            await asyncio.sleep(self._plan.slow_s)
            return False
        elif fault == OK or fault in KINDS:
            return False
        else:
            error = aicg.InvalidRequestError(f"x-sim-fault: there is no fault {fault!r}")
            await self._refuse(exchange, 400, error)
        return True

    async def _fail(self, exchange: _Exchange, fault: str) -> None:
        wait_s = self._plan.retry_after_s
        waiting = {"retry-after": f"{math.ceil(wait_s)}", "retry-after-ms": f"{wait_s * 1000:.0f}"}
        headers = exchange.headers | (waiting if fault == "429" else {})
        body = exchange.dialect.error(
            int(fault), _FAULT_CODES[fault], f"fault plan: status {fault}", exchange.request_id
        )
        await self._send(attrs.evolve(exchange, headers=headers), int(fault), body)

    async def _reply(self, exchange: _Exchange, asked: Asked, answer: Answer, fault: str) -> None:
        dialect = exchange.dialect
        if self._settings.tokens_per_s:
            await asyncio.sleep(answer.usage.total_output_tokens / self._settings.tokens_per_s)
        body = dialect.write(answer, asked, f"{answer.key:016x}")
        if fault == "no-finish":
            body = dialect.without(body, "finish")
        elif fault == "no-usage":
            body = dialect.without(body, "usage")
        elif fault == "shape":
            body = {"status": "done", "result": answer.text}
        data = dumps(body)
        if fault == "junk":
            data = data[:-2]
        if fault == "silent":
            exchange.replies.begin(len(data), exchange.headers)
            await exchange.replies.hang()
        missing = len(data) // 2 if fault in ("close", "cut") else 0
        await exchange.replies.send(200, data, exchange.headers, missing=missing)

    async def _stream(self, exchange: _Exchange, asked: Asked, answer: Answer, fault: str) -> None:
        dialect, replies = exchange.dialect, exchange.replies
        if fault == "no-usage":
            asked = attrs.evolve(asked, with_usage=False)
        events = dialect.events(answer, asked, f"{answer.key:016x}")
        replies.begin_stream(exchange.headers)
        if fault == "close":
            await replies.close()
        pause_s = 1 / self._settings.tokens_per_s if self._settings.tokens_per_s else 0.0
        middle = len(answer.pieces) // 2
        await replies.send_events(_until(events, middle, fault), pause_s)
        match fault:
            case "cut":
                await replies.close()
            case "silent":
                await replies.hang()
            case "error-event":
                await replies.send_events([dialect.error_event(exchange.request_id)])
            case "junk":
                await replies.send_events([dialect.junk_event()])
            case "shape":
                await replies.send_events([b'data: {"status":"done"}\n\n'])
        await replies.end_stream()

    async def _refuse(
        self, exchange: _Exchange, status: int, error: aicg.ProviderError | None = None
    ) -> None:
        code = _CODES.get(status, "invalid_request") if error is None else error.code or "error"
        message = _MESSAGES[status] if error is None else str(error)
        body = exchange.dialect.error(status, code, message, exchange.request_id)
        await self._send(exchange, status, body)

    async def _send(self, exchange: _Exchange, status: int, body: Mapping[str, Any]) -> None:
        self.stats.statuses[status] += 1
        await exchange.replies.send(status, dumps(body), exchange.headers)


def _dialect_of(incoming: Incoming) -> Dialect:
    speaks_anthropic = "anthropic-version" in incoming.headers
    return _ANTHROPIC if speaks_anthropic or "/messages" in incoming.path else _OPENAI


def _has_key(incoming: Incoming) -> bool:
    bearer = incoming.headers.get("authorization", "").removeprefix("Bearer").strip()
    return bool(bearer or incoming.headers.get("x-api-key", "").strip())


def _read(read: Callable[[Mapping[str, Any]], Asked], incoming: Incoming) -> Asked:
    try:
        return read(_json_of(incoming))
    except aicg.ValidationError as error:
        raise aicg.InvalidRequestError(
            str(error), code="invalid_request", status_code=400
        ) from error


def _json_of(incoming: Incoming) -> Mapping[str, Any]:
    try:
        body = json.loads(incoming.body)
    except ValueError as error:
        raise aicg.InvalidRequestError(
            f"the body is not JSON: {error}", code="invalid_json", status_code=400
        ) from error
    if not isinstance(body, dict):
        raise aicg.InvalidRequestError(
            "the body must be a JSON object", code="invalid_json", status_code=400
        )
    return body


def _until(events: Iterator[tuple[EventKind, bytes]], middle: int, fault: str) -> Iterator[bytes]:
    """Yield the events up to where a fault breaks the stream, or all of them."""
    pieces = 0
    for kind, event in events:
        if kind == "piece":
            pieces += 1
        if pieces > middle and fault in ("cut", "silent", "error-event", "junk", "shape"):
            return
        if fault != "no-finish" or kind in ("start", "piece"):
            yield event
