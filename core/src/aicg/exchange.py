"""What travels between an application, its addons and a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

import attrs

from aicg.errors import ValidationError
from aicg.messages import Message, Part, Reasoning, Text, ToolCall, text_of
from aicg.money import EXACT, ZERO
from aicg.usage import Usage

if TYPE_CHECKING:
    from aicg.clock import Clock
    from aicg.logs import Logger
    from aicg.session import LLMSession

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
NO_USAGE = Usage()


@attrs.frozen(kw_only=True)
class Tool:
    """A function that a model may ask to have called.

    Attributes:
        name: What the model calls it.
        description: What it does, and when it is of use.
        parameters: The JSON schema of its arguments, an object.
        function: What runs it, if the application wants it run.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(
        factory=lambda: {"type": "object", "properties": {}}
    )
    function: Callable[..., Any] | None = None


class RequestOptions(TypedDict, total=False):
    """What `chat`, `stream` and `batch_generate` take by keyword: fields of `Request`."""

    model: str
    system: str | None
    tools: Iterable[Tool | Callable[..., Any]]
    tool_choice: str
    output_schema: type[Any] | Mapping[str, Any] | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: tuple[str, ...]
    seed: int | None
    reasoning_effort: ReasoningEffort | None
    metadata: Mapping[str, Any]
    extra: Mapping[str, Any]
    include_raw: bool


def _is_a_cap(_: object, __: object, cap: int | None) -> None:
    # A negative worst case would make room in a budget that has none.
    if cap is not None and (type(cap) is not int or cap < 1):
        raise ValidationError(f"max_output_tokens must be a whole number above 0: got {cap!r}")


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    # The letters of a single text would each be one.
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.frozen(kw_only=True, slots=False)
class Request:
    """One question to one model; a change is a new request (`attrs.evolve`).

    Attributes:
        model: The full name, `provider:model`.
        messages: The conversation so far, the question last.
        system: Instructions that stand above the conversation.
        tools: What the model may ask to have called.
        tool_choice: "auto", "none", "required", or the name of the one tool to call.
        output_schema: The form of the answer: a JSON schema, or a class that describes it.
        max_output_tokens: The output cap; the kernel writes one into every request it sends.
        temperature: How freely the model picks its words.
        top_p: The share of likely words that it picks from.
        stop: Texts at which the answer ends.
        seed: Asks for the same answer again, where the provider can.
        reasoning_effort: How long the model thinks before it answers.
        metadata: The application's own notes; they are logged and not sent.
        extra: Fields added to the provider's own request as they are.
        include_raw: Whether the provider's own answer is kept in `Response.raw`.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    output_schema: type[Any] | Mapping[str, Any] | None = None
    max_output_tokens: int | None = attrs.field(default=None, validator=_is_a_cap)
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    seed: int | None = None
    reasoning_effort: ReasoningEffort | None = None
    metadata: Mapping[str, Any] = attrs.field(factory=dict)
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    include_raw: bool = False

    @property
    def provider_name(self) -> str:
        """The half of `model` before the colon."""
        return self.model.partition(":")[0]

    @property
    def model_name(self) -> str:
        """The half of `model` after the colon, which is what the provider is sent."""
        return self.model.partition(":")[2]


Turns: TypeAlias = str | Message | Sequence[Message]
Prompt: TypeAlias = Turns | Request


@attrs.frozen(kw_only=True, slots=False)
class Response:
    """A model's answer.

    A provider fills the fields down to `raw`; the kernel fills the others.

    Attributes:
        parts: What was answered, in order.
        finish_reason: Why the answer ends.
        model: The model that answered, by the provider's name for it.
        usage: The tokens used; of an answer without it, the worst case is charged.
        usage_assumed: Whether the provider did not state the usage, and it is an upper bound.
        service_tier: The tier that the provider served it at, if that is not its usual one.
        fees_usd: What the provider's own tools, such as searches, cost on top of the tokens.
        billed_usd: What the provider itself says that it bills; it wins over all prices.
        response_id: The provider's id of the answer.
        headers: The answer's HTTP headers, names in lower case.
        raw: The provider's own answer, if the request asked for it.
        parsed: The answer in the form of `Request.output_schema`.
        provider: The name of the provider that answered.
        request_id: The kernel's id of the request.
        cost_usd: What the request cost, all of its attempts together; None without a price.
        latency_s: The time from the request to the whole answer, in seconds.
        origin: "provider", or who answered in its place: "cache", "dry-run".
        attempts: How often the request was tried.
        capped_by: The budget that lowered the output cap, if one did.
        notes: What addons say of the answer, by their names, such as why another model gave it.
        exchanged: What was said between the question and this answer, where tools were run for it:
            the calls and their results. Cost, usage and attempts are those of all rounds together.
    """

    parts: tuple[Part, ...] = ()
    finish_reason: FinishReason = "stop"
    model: str = ""
    usage: Usage = NO_USAGE
    usage_assumed: bool = False
    service_tier: str = ""
    fees_usd: Decimal = ZERO
    billed_usd: Decimal | None = None
    response_id: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    raw: Mapping[str, Any] | None = None
    parsed: Any = None
    provider: str = ""
    request_id: str = ""
    cost_usd: Decimal | None = ZERO
    latency_s: float = 0.0
    origin: str = "provider"
    attempts: int = 1
    capped_by: str | None = None
    notes: Mapping[str, Any] = attrs.field(factory=dict)
    exchanged: tuple[Message, ...] = ()

    @property
    def text(self) -> str:
        """The text of the answer."""
        return text_of(self.parts)

    @property
    def reasoning(self) -> str:
        """The model's thoughts, as far as the provider shows them."""
        return "".join([part.text for part in self.parts if isinstance(part, Reasoning)])

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model wants called."""
        return tuple([part for part in self.parts if isinstance(part, ToolCall)])

    @property
    def message(self) -> Message:
        """The answer as a turn of the conversation."""
        return Message("assistant", self.parts)


@attrs.frozen(kw_only=True)
class Chunk:
    """A piece of a streamed answer.

    Attributes:
        text: New text.
        reasoning: New thoughts.
        usage: All tokens used so far, where the provider tells on the way.
        response: The whole answer; the last chunk of every stream has it, and no other.
    """

    text: str = ""
    reasoning: str = ""
    usage: Usage | None = None
    response: Response | None = None


@attrs.frozen
class Retry:
    """What `aicg_on_error` returns to have the request tried again.

    Attributes:
        request: What to send instead, such as to another model; None sends the same again.
        after_s: How long to wait first, in seconds.
    """

    request: Request | None = None
    after_s: float = 0.0


@attrs.define(eq=False)
class Bill:
    """What the attempts at one request come to.

    Attributes:
        cost_usd: What they cost together; None once one has no known price.
        attempts: How many have ended.
        begun: How many have begun; the number of the last.
    """

    cost_usd: Decimal | None = ZERO
    attempts: int = 0
    begun: int = 0

    def add(self, cost_usd: Decimal | None) -> None:
        """Count an attempt that has ended."""
        self.attempts += 1
        if self.cost_usd is not None:
            self.cost_usd = None if cost_usd is None else EXACT.add(self.cost_usd, cost_usd)


@attrs.define(eq=False, kw_only=True)
class RequestContext:
    """What addons know of a request beside the request itself.

    Attributes:
        session: The session that the request belongs to.
        request_id: The kernel's id of the request; the same through all attempts.
        original: What this attempt started from, before any addon changed it: the caller's
            request, or the one that the last `Retry` named.
        request: What this attempt sends, as the addons so far have changed it.
        attempt: 1 for the first.
        bill: What the attempts so far have come to, those aside among them.
        streaming: Whether the caller reads the answer piece by piece.
        delivered: Whether a piece of the answer was already handed to the caller.
        response: The answer that a post-request addon refused, while errors are handled.
        deadline: The moment, on `clock.monotonic()`, past which no new attempt begins.
        metadata: The request's notes.
        log: Writes records that carry the request's id.
        clock: Tells the time.
    """

    session: LLMSession
    request_id: str
    original: Request
    request: Request
    log: Logger
    clock: Clock
    attempt: int = 1
    bill: Bill = attrs.field(factory=Bill)
    streaming: bool = False
    delivered: bool = False
    response: Response | None = None
    deadline: float | None = None
    plugin: str = attrs.field(default="", init=False, repr=False)
    _states: dict[str, dict[str, Any]] | None = attrs.field(default=None, init=False, repr=False)
    _endings: list[tuple[str, Callable[[], object]]] | None = attrs.field(
        default=None, init=False, repr=False
    )

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The request's notes."""
        return self.request.metadata

    @property
    def state(self) -> dict[str, Any]:
        """A dict of the asking plugin's own, kept for this request through all its hooks."""
        if self._states is None:
            self._states = {}
        return self._states.setdefault(self.plugin, {})

    def at_end(self, function: Callable[[], object]) -> None:
        """Call a function once the request has ended, in whatever way; the last given comes first.

        An answered, a failed and a cancelled request end, and so does a stream that is left. The
        function must not block; what it raises is reported as of a hook that looks on.
        """
        if self._endings is None:
            self._endings = []
        self._endings.append((self.plugin, function))

    async def proceed(self, request: Request) -> Response:
        """Have the rest of the way done now; for `aicg_pre_request`, to answer with what comes.

        The addons further in, the reservation and the provider see an attempt of its own, whose
        cost is the request's, and `aicg_on_error` sees nothing of it. Several may go at once: one
        that is cancelled is charged as an outcome that is not known.

        Raises:
            AIContentGeneratorError: It gave no answer.
        """
        return await self.session.proceed(self, request)

    def end(self) -> None:
        """Call what waits for the end of the request; for the kernel's own rooms."""
        endings, self._endings = self._endings, None
        for plugin, function in reversed(endings or ()):
            try:
                function()
            except Exception as error:  # noqa: BLE001 - the request has its outcome already
                self.session.watchers.report(plugin, "at_end", error)


T = TypeVar("T", "Request", "Response")


def changed(message: T, **changes: Any) -> T:
    """Return a request or a response with changes that need no check, at a tenth of the time.

    Every request is changed once on its way, and so is its answer; `attrs.evolve` is for the rest.
    """
    copy: T = object.__new__(type(message))
    copy.__dict__.update(message.__dict__, **changes)
    return copy


def split_model_name(name: str) -> tuple[str, str]:
    """Return the provider and the model of `provider:model`.

    Raises:
        ValidationError: The name does not have both halves.
    """
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise ValidationError(
            f"a model is named provider:model, such as openai:gpt-5.4-mini: got {name!r}"
        )
    return provider, model


def messages_of(prompt: Turns) -> tuple[Message, ...]:
    """Return the messages that a prompt stands for.

    Raises:
        ValidationError: The prompt is empty, or not a prompt.
    """
    if isinstance(prompt, str):
        if not prompt.strip():
            raise ValidationError("the prompt is empty; write what the model should do")
        return (Message("user", prompt),)
    messages = tuple(prompt) if isinstance(prompt, Iterable) else (prompt,)
    for message in messages:
        if not isinstance(message, Message):
            raise ValidationError(
                f"a prompt is text, a Message, a sequence of Message, or a Request: got {message!r}"
            )
    if all(_is_blank(message) for message in messages):
        raise ValidationError(
            "the conversation is empty; it needs at least one message that says something"
        )
    return messages


def _is_blank(message: Message) -> bool:
    return all(isinstance(part, Text) and not part.text.strip() for part in message.parts)
