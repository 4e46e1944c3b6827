"""When a simulated model calls a tool, and with what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import aicg
from aicg_sim.schemas import Filler
from aicg_sim.schemas.place import words_of

if TYPE_CHECKING:
    from aicg_sim.dialogue import Dialogue
    from aicg_sim.material import Material

_COMMON_VERBS: Final = """
call check compute do fetch find get list load look lookup make my read run search set show the tool
up use
"""
_VERBS: Final = frozenset(_COMMON_VERBS.split())


def calls_for(
    request: aicg.Request, dialogue: Dialogue, material: Material, key: int
) -> tuple[aicg.ToolCall, ...]:
    """Return the calls that the answer consists of, or nothing if it is to be text.

    A tool is called when the request demands it, or when the prompt names it or all the words
    that its name is made of; never twice for one question, unless the request demands it.

    Raises:
        UnsatisfiableError: No arguments were found that satisfy the tool's schema.
    """
    asked = material.brief.text
    return tuple(
        aicg.ToolCall(
            id=f"call_{key:016x}{number}",
            name=tool.name,
            arguments=_arguments(tool, material, asked),
        )
        for number, tool in enumerate(_chosen(request, dialogue, asked))
    )


def _chosen(request: aicg.Request, dialogue: Dialogue, asked: str) -> list[aicg.Tool]:
    choice = request.tool_choice
    if choice == "none" or not request.tools:
        return []
    if choice == "auto":
        return [] if dialogue.results else [t for t in request.tools if _is_asked_for(t, asked)]
    if choice == "required":
        return [max(request.tools, key=lambda tool: _closeness(tool, asked))]
    return [tool for tool in request.tools if tool.name == choice]


def _is_asked_for(tool: aicg.Tool, asked: str) -> bool:
    lowered = asked.lower()
    if re.search(rf"\b{re.escape(tool.name.lower())}\b", lowered):
        return True
    telling = [word for word in words_of(tool.name) if word not in _VERBS]
    return bool(telling) and all(re.search(rf"\b{re.escape(w)}", lowered) for w in telling)


def _closeness(tool: aicg.Tool, asked: str) -> int:
    words = {*words_of(tool.name), *re.findall(r"[a-z]{4,}", tool.description.lower())}
    return len(words & set(re.findall(r"\w+", asked.lower())))


def _arguments(tool: aicg.Tool, material: Material, asked: str) -> dict[str, object]:
    schema = {"type": "object", **tool.parameters}
    filled: dict[str, object] = Filler(schema, material, asked).fill()
    return filled


def report(dialogue: Dialogue) -> str:
    """Return an answer that uses what the tools said."""
    told = [f"- `{name}`: {content}" for name, content in dialogue.results]
    if len(told) == 1:
        name, content = dialogue.results[0]
        return f"I asked `{name}`, and this is what it says: {content}"
    return "\n".join(["This is what the tools say:", "", *told])
