"""Where in an answer a value stands, and what that says about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import attrs

from aicg_sim.material import Material

if TYPE_CHECKING:
    from collections.abc import Iterable

Facet = Literal["topic", "course", "section", "example", "exercise", "quiz", "option", "term"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ITEM_FACETS: Final[dict[str, Facet]] = {
    "sections": "section",
    "exercises": "exercise",
    "tasks": "exercise",
    "problems": "exercise",
    "quiz": "quiz",
    "questions": "quiz",
    "options": "option",
    "choices": "option",
    "answers": "option",
    "terms": "term",
    "glossary": "term",
    "vocabulary": "term",
}
_OBJECT_FACETS: Final[dict[str, Facet]] = {
    "example": "example",
    "exercise": "exercise",
    "question": "quiz",
    "quiz": "quiz",
}
_LESSON_LISTS: Final = frozenset({"chapters", "lessons", "modules", "parts", "units", "weeks"})
_WHOLE_TEXT: Final = frozenset({"explanation", "content", "body", "sections", "markdown", "lesson"})


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a property's name, in small letters."""
    return tuple(word.lower() for word in _WORD.findall(name))


@attrs.frozen(kw_only=True)
class Place:
    """The place of a value within an answer.

    Attributes:
        material: What there is to write about there.
        name: The name of the nearest property.
        words: The words of that name.
        facet: What the object around the value is.
        index: The place in the nearest list.
        in_list: Whether the value is an item of that list itself.
        number: Which exercise, question or section of the material is meant.
        option: Which option of a question is meant.
        path: All names and numbers on the way, for choices of its own.
        refs: The references that were followed on the way.
        depth: How many levels down it is.
        least: Whether it is time to come to an end.
        variant: Counts the values that were not wanted here.
    """

    material: Material
    name: str = ""
    words: tuple[str, ...] = ()
    facet: Facet = "topic"
    index: int = 0
    in_list: bool = False
    number: int = 0
    option: int = 0
    path: tuple[str | int, ...] = ()
    refs: tuple[str, ...] = ()
    depth: int = 0
    least: bool = False
    variant: int = 0

    def has(self, *words: str) -> bool:
        """Tell whether the name has one of the words."""
        return any(word in self.words for word in words)

    def at_property(self, name: str) -> Place:
        """Return the place of a property of the object here."""
        words = words_of(name)
        facet = self.facet
        number = self.number
        if facet == "topic" and len(words) == 1 and words[0] in _OBJECT_FACETS:
            facet, number = _OBJECT_FACETS[words[0]], 0
        return attrs.evolve(
            self,
            name=name,
            words=words,
            facet=facet,
            number=number,
            in_list=False,
            path=(*self.path, name),
            depth=self.depth + 1,
        )

    def at_item(self, index: int) -> Place:
        """Return the place of an item of the list here."""
        changes: dict[str, Any] = {"index": index, "in_list": True, "path": (*self.path, index)}
        last = self.words[-1] if self.words else ""
        facet = _ITEM_FACETS.get(last)
        if facet == "option" and self.facet == "quiz":
            changes |= {"facet": "option", "option": index}
        elif facet is not None and facet != "option":
            changes |= {"facet": facet, "number": index}
        elif last in _LESSON_LISTS:
            topics = self.material.course()
            topic = topics[index % len(topics)]
            changes |= {"facet": "topic", "number": 0, "material": self.material.on(topic)}
        return attrs.evolve(self, depth=self.depth + 1, **changes)

    def among(self, properties: Iterable[str]) -> Place:
        """Return this place, knowing which properties the object here has."""
        words = {word for name in properties for word in words_of(name)}
        facet = self.facet
        if facet == "option":
            return self
        if words & {"question", "options", "choices", "distractors", "stem"}:
            facet = "quiz" if not words & _WHOLE_TEXT - {"explanation"} else facet
        if words & _LESSON_LISTS:
            facet = "course"
        elif words & {"solution", "tests", "starter"} and not words & _WHOLE_TEXT:
            facet = "exercise"
        elif words & {"definition", "meaning"} and "term" in words | set(self.words):
            facet = "term"
        return self if facet == self.facet else attrs.evolve(self, facet=facet)

    def count(self) -> int:
        """Return how many items a list here has, where its schema leaves it open."""
        last = self.words[-1] if self.words else ""
        brief = self.material.brief
        topic = self.material.topic
        match _ITEM_FACETS.get(last):
            case "quiz":
                return brief.count("(?:quiz )?questions?", 3, most=20)
            case "option":
                return len(self.material.question(self.number).options)
            case "exercise":
                return brief.count("(?:exercises?|tasks?|problems?)", 1, most=10)
            case "section":
                return len(topic.explanation)
            case "term":
                return len(topic.terms)
        if last in _LESSON_LISTS:
            return len(self.material.course())
        if last in ("objectives", "goals", "outcomes"):
            return len(topic.objectives)
        return 3
