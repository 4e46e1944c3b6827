"""A request in one plain form, whichever way it came: by a call or over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs

import aicg
from aicg_sim.draws import key_of
from aicg_sim.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_TOKENS: Final = 3
_TURN_TOKENS: Final = 4
_TOOL_TOKENS: Final = 8
_IMAGE_TOKENS: Final = 85
_DOCUMENT_TOKENS: Final = 250


@attrs.frozen
class Turn:
    """One turn: who spoke, what was said, and what else it takes."""

    role: str
    text: str
    extra_tokens: int = 0


@attrs.frozen(eq=False)
class Dialogue:
    """What a model is given to read.

    Attributes:
        system: The instructions.
        turns: The conversation.
        results: What tools have answered since the user last spoke, with their names.
    """

    system: str
    turns: tuple[Turn, ...]
    results: tuple[tuple[str, str], ...]

    @property
    def said(self) -> list[str]:
        """What the user has said, turn by turn."""
        return [turn.text for turn in self.turns if turn.role == "user"]


def read_dialogue(request: aicg.Request) -> Dialogue:
    """Return what a request gives a model to read."""
    turns = [turn for message in request.messages for turn in _turns(message)]
    leading = 0
    while leading < len(turns) and turns[leading].role == "system":
        leading += 1
    system = [request.system or "", *(turn.text for turn in turns[:leading])]
    return Dialogue(
        "\n\n".join(filter(None, system)), tuple(turns[leading:]), _results(request.messages)
    )


def _turns(message: aicg.Message) -> Iterator[Turn]:
    texts: list[str] = []
    extra = 0
    for part in message.parts:
        match part:
            case aicg.Text():
                texts.append(part.text)
            case aicg.ToolCall():
                texts.append(f"{part.name}{to_json(part.arguments)}")
                extra += _TURN_TOKENS
            case aicg.ToolResult():
                yield Turn("tool", _said_by(part))
            case aicg.Image():
                extra += _IMAGE_TOKENS
            case aicg.Document() if part.data is not None and part.media_type.startswith("text/"):
                texts.append(f"{part.name}:\n{part.data.decode(errors='replace')}")
            case aicg.Document():
                extra += _DOCUMENT_TOKENS
    if texts or extra:
        yield Turn(message.role, "".join(texts), extra)


def _said_by(result: aicg.ToolResult) -> str:
    return f"Error: {result.content}" if result.is_error else result.content


def _results(messages: tuple[aicg.Message, ...]) -> tuple[tuple[str, str], ...]:
    names: dict[str, str] = {}
    results: list[tuple[str, str]] = []
    for message in messages:
        if message.role == "user" and message.text:
            results.clear()
        for part in message.parts:
            if isinstance(part, aicg.ToolCall):
                names[part.id] = part.name
            elif isinstance(part, aicg.ToolResult):
                name = part.name or names.get(part.call_id, "tool")
                results.append((name, _said_by(part)))
    return tuple(results)


def count_input(request: aicg.Request, dialogue: Dialogue) -> int:
    """Return how many tokens of input the request is billed for."""
    total = _START_TOKENS
    if dialogue.system:
        total += _TURN_TOKENS + count_tokens(dialogue.system)
    for turn in dialogue.turns:
        total += _TURN_TOKENS + count_tokens(turn.text) + turn.extra_tokens
    for tool in request.tools:
        described = to_json([tool.name, tool.description, tool.parameters])
        total += _TOOL_TOKENS + count_tokens(described)
    if request.output_schema is not None:
        total += _TOOL_TOKENS + count_tokens(to_json(aicg.json_schema(request.output_schema)))
    return total


def key_for(request: aicg.Request, dialogue: Dialogue, seed: int) -> int:
    """Return what all choices in the answer follow from.

    The output cap and the stops only cut the answer, and the schema only shapes it: they are not
    part of the key, so that the same question has the same answer in another form.
    """
    said = [f"{turn.role}:{turn.text}" for turn in dialogue.turns]
    tools = [tool.name for tool in request.tools]
    style = [
        None if value is None else float(value) for value in (request.temperature, request.top_p)
    ]
    return key_of(seed, request.model_name, dialogue.system, *said, tools, style, request.seed)


def to_json(value: Any) -> str:
    """Return a value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
