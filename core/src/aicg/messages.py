"""Messages and what stands in them: text, images, documents, reasoning, tool calls and results."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

import attrs

from aicg.errors import ValidationError

Role = Literal["system", "user", "assistant", "tool"]
_ROLES = get_args(Role)


@attrs.frozen
class Text:
    """A piece of text."""

    text: str


@attrs.frozen(kw_only=True)
class Image:
    """An image, given by its bytes or by its address.

    Attributes:
        data: The encoded image.
        url: Where the provider finds it, when `data` is None.
        media_type: Such as "image/png".
        detail: How closely the model looks, where the provider lets one choose.
    """

    data: bytes | None = None
    url: str | None = None
    media_type: str = "image/png"
    detail: Literal["auto", "low", "high"] = "auto"

    def __attrs_post_init__(self) -> None:
        _either(self)


@attrs.frozen(kw_only=True)
class Document:
    """A document such as a PDF, given by its bytes or by its address."""

    data: bytes | None = None
    url: str | None = None
    media_type: str = "application/pdf"
    name: str = "document"

    def __attrs_post_init__(self) -> None:
        _either(self)


@attrs.frozen
class Reasoning:
    """What a model thought before it answered.

    Attributes:
        text: The thoughts, or the summary that the provider gives of them.
        signature: The provider's proof of them, sent back so that a conversation can go on.
        opaque: The provider's own data for the same purpose, such as an encrypted item.
    """

    text: str = ""
    signature: str | None = None
    opaque: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ToolCall:
    """A model's wish to have a tool run with these arguments."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ToolResult:
    """What a tool answered to the call of this id."""

    call_id: str
    content: str
    name: str = ""
    is_error: bool = False


Part: TypeAlias = Text | Image | Document | Reasoning | ToolCall | ToolResult
_PART_TYPES: Mapping[str, type[Any]] = {
    "text": Text,
    "image": Image,
    "document": Document,
    "reasoning": Reasoning,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
}
_PART_NAMES = {kind: name for name, kind in _PART_TYPES.items()}


def _either(part: Image | Document) -> None:
    if (part.data is None) == (part.url is None):
        kind = type(part).__name__
        raise ValidationError(f"{kind} takes either data (bytes) or url, and not both")


def _is_a_role(_: object, __: object, role: str) -> None:
    if role not in _ROLES:
        raise ValidationError(f"a message's role is one of {', '.join(_ROLES)}: got {role!r}")


def _as_parts(content: str | Part | Iterable[Part]) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    if type(content) in _PART_NAMES:
        return (content,)  # type: ignore[return-value]
    parts = tuple(content)  # type: ignore[arg-type]
    for part in parts:
        if type(part) not in _PART_NAMES:
            raise ValidationError(
                f"a message holds text or parts ({', '.join(_PART_TYPES)}), not {part!r}"
            )
    return parts


@attrs.frozen
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        parts: What is said; plain text is taken as one `Text`.

    >>> Message("user", "Hello").text
    'Hello'
    """

    role: Role = attrs.field(validator=_is_a_role)
    parts: tuple[Part, ...] = attrs.field(converter=_as_parts)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return text_of(self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as plain data that JSON can hold."""
        return {"role": self.role, "parts": [_part_to_dict(part) for part in self.parts]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """Return the message that `to_dict` described.

        Raises:
            ValidationError: The data does not describe a message.
        """
        try:
            return cls(data["role"], tuple(_part_from_dict(part) for part in data["parts"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(f"not an exported message: {data!r}") from error


def text_of(parts: Iterable[Part]) -> str:
    """Return the text parts, joined."""
    return "".join([part.text for part in parts if type(part) is Text])


def _part_to_dict(part: Part) -> dict[str, Any]:
    data = attrs.asdict(part, recurse=False)
    if isinstance(data.get("data"), bytes):
        data["data"] = base64.b64encode(data["data"]).decode("ascii")
    return {"type": _PART_NAMES[type(part)], **data}


def _part_from_dict(data: Mapping[str, Any]) -> Part:
    fields = dict(data)
    kind = _PART_TYPES[fields.pop("type")]
    if isinstance(fields.get("data"), str):
        fields["data"] = base64.b64decode(fields["data"], validate=True)
    part: Part = kind(**fields)
    return part
