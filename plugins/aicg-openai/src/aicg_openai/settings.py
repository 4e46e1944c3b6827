"""The settings of an instance, and where they lead: an address, a key and an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import attrs

from aicg import APIKeyMissingError, ConfigurationError, Secret

OPENAI_URL: Final = "https://api.openai.com/v1"


def _is_positive(settings: object, field: attrs.Attribute[Any], value: float) -> None:  # noqa: ARG001 - attrs gives it
    if not value > 0:
        raise ValueError(f"{field.name} must be above zero: got {value}")


def _is_address(settings: object, field: attrs.Attribute[str | None], value: str | None) -> None:  # noqa: ARG001 - attrs gives it
    if value is None:
        return
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"{field.name} must be an address such as {OPENAI_URL}: got {value!r}")
    # Addresses stand in messages.
    if url.username or url.password or url.query:
        raise ValueError(f"{field.name} must hold no password and no query: give a key as api_key")


def _are_headers(settings: object, field: attrs.Attribute[Any], value: Mapping[str, str]) -> None:  # noqa: ARG001 - attrs gives it
    for name, text in value.items():
        if not (name + text).isascii() or not (name + text).isprintable():
            raise ValueError(f"{field.name} must be printable ASCII: {name!r} is not")


@attrs.frozen(kw_only=True)
class OpenAISettings:
    """The settings of `[providers.NAME]` with `kind = "openai"`.

    Attributes:
        api_key: The key; at OpenAI itself, `OPENAI_API_KEY` unless it is given here.
        base_url: The address of another server that speaks Chat Completions.
        organization: The organisation at OpenAI that pays.
        project: The project at OpenAI that pays.
        vendor: The name under which prices are looked up; by default "openai", and with a
            `base_url` the instance's own name.
        connect_timeout_s: How long to wait for a connection.
        read_timeout_s: How long to wait for the next piece of an answer.
        max_connections: How many requests may be in flight; more of them wait for their turn.
        default_headers: Headers to send with every request.
        output_cap_field: The field that caps the output; by default "max_completion_tokens" for
            OpenAI and its models, and "max_tokens" for others.
        tokenizer: "auto" counts with tiktoken where its vocabulary is on this machine, "tiktoken"
            lets it fetch the vocabulary, "bytes" takes a token a byte.
        document_tokens: The most tokens that a PDF is reckoned at; by default the model's whole
            context window, as no other bound is documented.
    """

    api_key: Secret | None = None
    base_url: str | None = attrs.field(default=None, validator=_is_address)
    organization: str | None = None
    project: str | None = None
    vendor: str | None = None
    connect_timeout_s: float = attrs.field(default=5.0, validator=_is_positive)
    read_timeout_s: float = attrs.field(default=600.0, validator=_is_positive)
    max_connections: int = attrs.field(default=1000, validator=_is_positive)
    default_headers: Mapping[str, str] = attrs.field(
        factory=dict, repr=False, validator=_are_headers
    )
    output_cap_field: Literal["max_completion_tokens", "max_tokens"] | None = None
    tokenizer: Literal["auto", "bytes", "tiktoken"] = "auto"
    document_tokens: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_is_positive)
    )


class Endpoint(NamedTuple):
    """Where requests go, and for whom.

    Attributes:
        url: The address that paths are added to.
        key: The key to sign in with.
        key_hint: Where the key is set, for messages.
        organization: The organisation that pays, if one is named.
        project: The project that pays, if one is named.
        is_openai: Whether it is OpenAI's own.
    """

    url: str
    key: Secret
    key_hint: str
    organization: str | None
    project: str | None
    is_openai: bool


def find_endpoint(name: str, settings: OpenAISettings, environ: Mapping[str, str]) -> Endpoint:
    """Return where the settings and the environment lead.

    What the environment holds for OpenAI is used with OpenAI's own addresses and with
    `OPENAI_BASE_URL`, and never sent to another server that the settings name.

    Raises:
        APIKeyMissingError: A key is needed, and there is none.
        ConfigurationError: The address or the key cannot be right.
    """
    url = settings.base_url or environ.get("OPENAI_BASE_URL") or OPENAI_URL
    host = urlsplit(url).hostname or ""
    is_openai = host == "openai.com" or host.endswith(".openai.com")
    ambient = environ if settings.base_url is None or is_openai else {}
    key = settings.api_key or Secret(ambient.get("OPENAI_API_KEY", ""))
    hint = f"api_key under [providers.{name}]"
    if ambient is environ:
        hint = f"OPENAI_API_KEY, or {hint}"
    return Endpoint(
        url=_checked_url(url),
        key=_checked_key(key, name, host, hint),
        key_hint=hint,
        organization=settings.organization or ambient.get("OPENAI_ORG_ID"),
        project=settings.project or ambient.get("OPENAI_PROJECT_ID"),
        is_openai=is_openai,
    )


def _checked_url(url: str) -> str:
    try:
        _is_address(None, attrs.fields(OpenAISettings).base_url, url)
    except ValueError as error:
        # Settings were checked when they were read, so this one is the environment's.
        raise ConfigurationError(
            f"OPENAI_BASE_URL: {error}", source="environment", key="OPENAI_BASE_URL"
        ) from None
    return url


def _checked_key(key: Secret, name: str, host: str, hint: str) -> Secret:
    text = key.reveal().strip()
    if not text:
        if _is_loopback(host):
            return Secret("no-key")
        raise APIKeyMissingError(
            f"{name}: no API key for {host}; set {hint}", key=f"providers.{name}.api_key"
        )
    # An illegal header is refused further down with a message that shows it whole.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"{name}: the API key holds a space, a line break or a letter that no key has; "
            f"copy it again into {hint}",
            key=f"providers.{name}.api_key",
        )
    return Secret(text)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
