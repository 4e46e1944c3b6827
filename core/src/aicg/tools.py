"""Running the tools that an answer asks for, and asking on with what they gave."""

from __future__ import annotations

import dataclasses
import inspect
import json
from contextlib import aclosing
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import attrs

from aicg.errors import ValidationError
from aicg.exchange import Chunk, Request, Response, Tool, changed
from aicg.lifecycle import run_request
from aicg.messages import Message, ToolCall, ToolResult
from aicg.money import EXACT
from aicg.schemas import tool_from_function

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from aicg.session import LLMSession


def as_tools(given: Iterable[Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    """Return tools for tools and plain typed functions.

    Raises:
        ConfigurationError: A function has a parameter that has no schema.
        ValidationError: Two have one name.
    """
    tools = tuple([each if isinstance(each, Tool) else tool_from_function(each) for each in given])
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise ValidationError(f"each tool needs a name of its own: got {', '.join(names)}")
    return tools


def answer(
    session: LLMSession, request: Request, *, streaming: bool
) -> AsyncGenerator[Chunk, None]:
    """Yield what the caller of `chat` or `stream` gets, running the tools that have a function."""
    if request.tools and any(tool.function for tool in request.tools):
        return _answer_with_tools(session, request, streaming=streaming)
    return run_request(session.new_context(request, streaming=streaming))


async def _answer_with_tools(
    session: LLMSession, request: Request, *, streaming: bool
) -> AsyncGenerator[Chunk, None]:
    """Ask, run the tools asked for, and ask again with their results, until there is an answer.

    Each round is a request of its own, to addons and to the budget. The one after `max_tool_rounds`
    takes no tools, so that it has to be answered. A call of a tool without a function ends it too,
    for the application to run.
    """
    tools = {tool.name: tool for tool in request.tools}
    asked, responses = request, list[Response]()
    rounds_left = session.settings.max_tool_rounds
    while True:
        context = session.new_context(request, streaming=streaming)
        async with aclosing(run_request(context)) as chunks:
            async for chunk in chunks:
                if chunk.response is None:
                    yield chunk
                else:
                    responses.append(chunk.response)
        calls = responses[-1].tool_calls
        if not calls or not rounds_left or any(_is_the_caller_s(tools, call) for call in calls):
            break
        results = await _run_all(tools, calls)
        rounds_left -= 1
        request = changed(
            request,
            messages=(*request.messages, responses[-1].message, Message("tool", results)),
            # A tool that has to be called would have to be called for ever.
            tool_choice="auto" if rounds_left else "none",
        )
    yield Chunk(response=_together(responses, request.messages[len(asked.messages) :]))


def _is_the_caller_s(tools: Mapping[str, Tool], call: ToolCall) -> bool:
    return call.name in tools and tools[call.name].function is None


async def _run_all(tools: Mapping[str, Tool], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Return the results of calls, run at once, in their order."""
    results: dict[int, ToolResult] = {}

    async def run(index: int, call: ToolCall) -> None:
        results[index] = await _run(tools, call)

    try:
        async with anyio.create_task_group() as tasks:
            for index, call in enumerate(calls):
                tasks.start_soon(run, index, call)
    except BaseExceptionGroup as group:
        # What a tool raises reaches the caller as it is, as if the tool had been called here.
        raise group.exceptions[0] from None
    return [results[index] for index in range(len(calls))]


async def _run(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    """Return what the tool gives, or what is wrong with the call, which the model can mend."""
    told = partial(ToolResult, call_id=call.id, name=call.name)
    tool = tools.get(call.name)
    if tool is None or tool.function is None:
        known = ", ".join(sorted(tools))
        return told(content=f"there is no tool {call.name!r}; there are: {known}", is_error=True)
    # Imported when the first tool is run.
    from aicg_schemas import read_arguments

    arguments, faults = read_arguments(tool.function, call.arguments)
    if faults:
        return told(content="; ".join(faults), is_error=True)
    try:
        return told(content=_as_text(await _call(tool.function, arguments)))
    except ValidationError as error:
        return told(content=str(error), is_error=True)
    except BaseException as error:
        error.add_note(f"raised by the tool {call.name!r}")
        raise


async def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    # It may wait for a disk or a server, and others must go on meanwhile.
    return await anyio.to_thread.run_sync(partial(function, **arguments))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return an object in a form that JSON has."""
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    if dataclasses.is_dataclass(type(value)):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, set | frozenset) else str(value)


def _together(responses: Sequence[Response], exchanged: tuple[Message, ...]) -> Response:
    """Return the last answer, with the tokens, the cost and the time of all rounds."""
    last = responses[-1]
    if len(responses) == 1:
        return last
    costs = [response.cost_usd for response in responses]
    known = [cost for cost in costs if cost is not None]
    return attrs.evolve(
        last,
        usage=reduce(add, [response.usage for response in responses]),
        usage_assumed=any(response.usage_assumed for response in responses),
        fees_usd=reduce(EXACT.add, [response.fees_usd for response in responses]),
        cost_usd=reduce(EXACT.add, known) if len(known) == len(costs) else None,
        latency_s=sum(response.latency_s for response in responses),
        attempts=sum(response.attempts for response in responses),
        exchanged=exchanged,
    )
