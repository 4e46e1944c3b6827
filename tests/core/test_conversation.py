"""A conversation remembers what was answered, and forgets what was not."""

from __future__ import annotations

import pytest

import aicg
from aicg.testing import FakeProvider, make_kernel


def said(provider: FakeProvider) -> list[list[str]]:
    """Return who said what in each call, in short."""
    return [
        [f"{message.role[0]}:{message.text}" for message in call.messages]
        for call in provider.calls
    ]


@pytest.mark.anyio
async def test_every_question_brings_along_what_was_said() -> None:
    provider = FakeProvider(["One.", "Two.", "Three."])
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        conversation = session.conversation()
        await conversation.chat("1?")
        await conversation.chat(aicg.Message("user", "2?"))
        async with conversation.stream([aicg.Message("user", "3?")]) as stream:
            _ = [piece async for piece in stream.text()]

    assert said(provider) == [
        ["u:1?"],
        ["u:1?", "a:One.", "u:2?"],
        ["u:1?", "a:One.", "u:2?", "a:Two.", "u:3?"],
    ]
    assert [message.text for message in conversation.messages] == [
        *("1?", "One.", "2?", "Two.", "3?", "Three."),
    ]


@pytest.mark.anyio
async def test_a_question_that_failed_can_be_asked_again() -> None:
    provider = FakeProvider(["One.", aicg.ServerError("busy"), "Two."])
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        conversation = session.conversation()
        await conversation.chat("1?")
        with pytest.raises(aicg.ServerError):
            await conversation.chat("2?")
        await conversation.chat("2?")

    assert said(provider)[-1] == ["u:1?", "a:One.", "u:2?"]


@pytest.mark.anyio
async def test_a_stream_left_half_read_is_not_remembered() -> None:
    provider = FakeProvider(["One two three."])
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        conversation = session.conversation()
        async with conversation.stream("1?") as stream:
            await anext(stream)

    assert conversation.messages == []


@pytest.mark.anyio
async def test_a_conversation_has_the_sessions_system_or_its_own() -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", system="Be brief.") as session,
    ):
        await session.conversation().chat("Hi")
        await session.conversation(system="Be kind.").chat("Hi")
        await session.conversation(system="Be kind.").chat("Hi", system="Be both.")

    assert [call.system for call in provider.calls] == ["Be brief.", "Be kind.", "Be both."]


@pytest.mark.anyio
async def test_conversations_of_one_session_do_not_hear_each_other() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        one, two = session.conversation(), session.conversation()
        await one.chat("1?")
        await two.chat("2?")

    assert said(provider) == [["u:1?"], ["u:2?"]]


@pytest.mark.anyio
async def test_tools_are_called_and_answered_in_a_conversation() -> None:
    call = aicg.ToolCall(id="1", name="look", arguments={"at": "sky"})
    asks = aicg.Response(parts=(call,), finish_reason="tool_calls")
    provider = FakeProvider([asks, "It is blue."])
    tool = aicg.Tool(name="look")
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        conversation = session.conversation()
        first = await conversation.chat("What colour is the sky?", tools=(tool,))
        result = aicg.ToolResult(call_id="1", content="blue")
        second = await conversation.chat(aicg.Message("tool", (result,)), tools=(tool,))

    assert first.tool_calls == (call,)
    assert second.text == "It is blue."
    assert [message.role for message in provider.calls[1].messages] == ["user", "assistant", "tool"]


@pytest.mark.anyio
async def test_an_empty_question_is_refused_and_forgotten() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        conversation = session.conversation()
        await conversation.chat("Hi")
        with pytest.raises(aicg.ValidationError, match="the prompt is empty"):
            await conversation.chat("")

    assert len(conversation.messages) == 2


@pytest.mark.anyio
async def test_what_was_said_can_be_kept_and_taken_up_again() -> None:
    provider = FakeProvider(["One.", "Two."])
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        first = session.conversation()
        await first.chat("1?")
        kept = [message.to_dict() for message in first.messages]

        again = aicg.Conversation(
            session, messages=[aicg.Message.from_dict(message) for message in kept]
        )
        await again.chat("2?")

    assert said(provider)[-1] == ["u:1?", "a:One.", "u:2?"]
