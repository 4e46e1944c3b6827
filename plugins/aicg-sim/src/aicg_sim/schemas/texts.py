"""Strings of a given length, pattern and format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aicg_sim.prose import slug
from aicg_sim.schemas import hints
from aicg_sim.schemas.check import matches
from aicg_sim.schemas.patterns import matching
from aicg_sim.schemas.resolve import UnsatisfiableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aicg_sim.draws import Draw
    from aicg_sim.schemas.place import Place

_LONGEST: Final = 100_000


def _date(draw: Draw) -> str:
    return f"2026-{1 + draw.below(12):02}-{1 + draw.below(28):02}"


def _time(draw: Draw) -> str:
    return f"{8 + draw.below(10):02}:{draw.below(60):02}:00Z"


def _uuid(draw: Draw) -> str:
    digits = f"{draw.below(1 << 64):016x}{draw.below(1 << 64):016x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _numbered(pattern: str) -> Callable[[Draw], str]:
    return lambda draw: pattern.format(draw.below(250) + 1)


_FORMATS: Final[Mapping[str, Callable[[Draw], str]]] = {
    "date": _date,
    "time": _time,
    "date-time": lambda draw: f"{_date(draw)}T{_time(draw)}",
    "duration": _numbered("PT{}M"),
    "email": _numbered("learner{}@example.com"),
    "idn-email": _numbered("learner{}@example.com"),
    "hostname": _numbered("host{}.example.com"),
    "idn-hostname": _numbered("host{}.example.com"),
    "ipv4": _numbered("192.0.2.{}"),
    "ipv6": lambda draw: f"2001:db8::{draw.below(0xFFFF) + 1:x}",
    "uri": _numbered("https://example.com/lessons/{}"),
    "uri-reference": _numbered("/lessons/{}"),
    "uri-template": _numbered("https://example.com/lessons/{}/{{page}}"),
    "iri": _numbered("https://example.com/lessons/{}"),
    "iri-reference": _numbered("/lessons/{}"),
    "uuid": _uuid,
    "regex": _numbered("[a-z]{{1,{}}}"),
    "json-pointer": _numbered("/lessons/{}"),
    "relative-json-pointer": _numbered("{}/title"),
}


def string_for(plain: Mapping[str, Any], place: Place, asked: str | None) -> str:
    """Return a string that a schema allows.

    Raises:
        UnsatisfiableError: None was found.
    """
    least = plain.get("minLength", 0)
    most = plain.get("maxLength", _LONGEST)
    if least > most:
        raise UnsatisfiableError(f"no text has at least {least} and at most {most} characters")
    for text in _candidates(plain, place, asked, least, most):
        if least <= len(text) <= most and all(
            matches(pattern, text) for pattern in plain.get("pattern", ())
        ):
            return text
    raise UnsatisfiableError(
        f"no text was found for the pattern {' and '.join(plain.get('pattern', ()))!r} "
        f"with {least} to {most} characters"
    )


def _candidates(
    plain: Mapping[str, Any], place: Place, asked: str | None, least: int, most: int
) -> Iterator[str]:
    draw = place.material.draw.child(*place.path)
    if plain.get("format") in _FORMATS:
        yield _FORMATS[plain["format"]](draw)
    told = hints.text_for(place, plain) if asked is None else hints.argument_for(place, asked)
    if place.variant:
        told = f"{told} ({place.variant})"
    yield _fitted(told, place, least, most)
    for pattern in plain.get("pattern", ()):
        yield slug(told)
        yield slug(told).replace("_", "-")
        yield from matching(pattern, draw, least, most)
    yield _fitted(f"{draw.below(1 << 40):x}", place, least, most)


def _fitted(text: str, place: Place, least: int, most: int) -> str:
    """Return a text cut, at a word if that leaves enough, or drawn out to the length asked for."""
    if len(text) > most:
        cut = text[:most]
        word = cut.rpartition(" ")[0].rstrip(" ,;:")
        return word if len(word) >= max(least, most // 2) else cut
    more = place.material.topic.explanation
    number = 0
    while len(text) < least:
        text = f"{text} {more[number % len(more)]}" if text else more[0]
        number += 1
        if len(text) >= least:
            return text if len(text) <= most else text[:most]
    return text
