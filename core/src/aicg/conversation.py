"""`Conversation`: a session's requests that build on one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from aicg.exchange import Request, RequestOptions, Response, Turns, messages_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aicg.messages import Message
    from aicg.session import LLMSession
    from aicg.stream import ResponseStream


class Conversation:
    """Keeps what was said, and sends it along with every question.

    A question whose answer never came is not kept, so that it can be asked again.

    Attributes:
        messages: What was said so far.
        system: Instructions that stand above the conversation.
    """

    def __init__(
        self, session: LLMSession, *, system: str | None = None, messages: Iterable[Message] = ()
    ) -> None:
        self._session = session
        self.system = session.system if system is None else system
        self.messages: list[Message] = list(messages)

    async def chat(self, prompt: Turns, **options: Unpack[RequestOptions]) -> Response:
        """Return the answer to what is said next; raises as `LLMSession.chat` does."""
        request = self._request(prompt, options)
        response = await self._session.chat(request)
        self._keep(request, response)
        return response

    def stream(self, prompt: Turns, **options: Unpack[RequestOptions]) -> ResponseStream:
        """Return the answer to what is said next, as a stream."""
        request = self._request(prompt, options)
        return self._session.stream_request(request, lambda response: self._keep(request, response))

    def _request(self, prompt: Turns, options: RequestOptions) -> Request:
        said = (*self.messages, *messages_of(prompt))
        return self._session.new_request(said, {"system": self.system, **options})

    def _keep(self, request: Request, response: Response) -> None:
        self.messages = [*request.messages, *response.exchanged, response.message]
