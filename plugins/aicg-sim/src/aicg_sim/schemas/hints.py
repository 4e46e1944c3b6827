"""What a string or a number is likely to be, by the name of its property."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aicg_sim import markdown
from aicg_sim.prose import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aicg_sim.schemas.place import Place

_LETTERS: Final = "ABCDEFGHIJ"
_PROPER: Final = re.compile(r"\b(?:in|for|at|near|to|from)\s+((?:[A-Z][\w'-]+\s?)+)")
_SUM: Final = re.compile(r"\(?\d[\d.() ]*(?:[-+*/%^]+[\d.() ]+)+")
_QUOTED: Final = re.compile(r"[\"“]([^\"“”]+)[\"”]")


def _exercise_text(name: str) -> Callable[[Place], str]:
    def text(place: Place) -> str:
        value: str = getattr(place.material.exercise(_number(place, "exercise")), name)
        return value

    return text


def _number(place: Place, facet: str) -> int:
    return place.number if place.facet == facet else place.index if place.in_list else 0


def _tests(place: Place) -> str:
    return place.material.tests_of(place.material.exercise(_number(place, "exercise")))


def _question(place: Place) -> str:
    return place.material.question(_number(place, "quiz")).ask


def _option(place: Place) -> str:
    number = place.number if place.facet in ("quiz", "option") else 0
    options = place.material.question(number).options
    return options[(place.option if place.facet == "option" else place.index) % len(options)]


def _right_option(place: Place) -> str:
    question = place.material.question(place.number)
    return question.options[question.right]


def _why(place: Place) -> str:
    return place.material.question(place.number).why


def _body(place: Place) -> str:
    if place.facet == "section" or place.in_list:
        return place.material.section(_section(place))[1]
    return markdown.lesson(place.material)


def _section(place: Place) -> int:
    return place.number if place.facet == "section" else place.index


def _explanation(place: Place) -> str:
    if place.facet == "section" or place.in_list:
        return place.material.section(_section(place))[1]
    return "\n\n".join(place.material.topic.explanation)


def _title(place: Place) -> str:
    match place.facet:
        case "exercise":
            return place.material.exercise(place.number).title
        case "section":
            return place.material.section(place.number)[0]
        case "term":
            return place.material.term(place.number).term
        case "quiz":
            return f"Quiz: {place.material.topic.title}"
    return place.material.topic.title


def _about_example(place: Place) -> str:
    return f"{place.material.topic.example.about} {place.material.topic.example.notes}"


def _file_name(place: Place) -> str:
    return f"{slug(_title(place))}.{'py' if place.facet == 'exercise' else 'md'}"


def _turn(values: str) -> Callable[[Place], str]:
    """Return a maker of the topic's values of this name, one after the other."""

    def text(place: Place) -> str:
        found: tuple[str, ...] = getattr(place.material.topic, values)
        return found[place.index % len(found)]

    return text


def _term(place: Place) -> str:
    return place.material.term(_number(place, "term")).term


def _meaning(place: Place) -> str:
    return place.material.term(_number(place, "term")).meaning


# The first line that has a word of the property's name decides.
_BY_WORD: Final[tuple[tuple[str, Callable[[Place], str]], ...]] = (
    ("tests test checks assertions", _tests),
    ("starter skeleton template stub", _exercise_text("starter")),
    ("solution solutions", _exercise_text("solution")),
    ("hint hints", _exercise_text("hint")),
    ("output stdout prints", lambda place: place.material.topic.example.output),
    ("file filename path", _file_name),
    ("code snippet program listing example examples", lambda p: p.material.topic.example.code),
    ("why rationale feedback reason justification", _why),
    ("question questions stem", _question),
    ("option options choice choices distractors", _option),
    ("answer correct", _right_option),
    ("task tasks instructions instruction statement problem exercise exercises",
     _exercise_text("task")),
    ("objective objectives goal goals outcome outcomes aims skills", _turn("objectives")),
    ("tip tips advice note notes", lambda place: place.material.topic.tip),
    ("pitfall pitfalls mistake mistakes misconceptions", _turn("pitfalls")),
    ("definition definitions meaning", _meaning),
    ("term terms word words keyword keywords concept concepts tag tags", _term),
    ("heading subtitle", lambda place: place.material.section(_section(place))[0]),
    ("explanation theory paragraph paragraphs section sections details", _explanation),
    ("summary overview abstract description intro introduction recap conclusion about",
     lambda place: place.material.topic.summary),
    ("body content markdown lesson article text material", _body),
    ("slug id identifier", lambda place: slug(_title(place)).replace("_", "-")),
    ("title name topic subject chapter module", _title),
    ("language", lambda _: "Python"),
    ("level difficulty audience", lambda _: "beginner"),
    ("points key takeaways facts steps", _turn("objectives")),
)  # fmt: skip
_MAKERS: Final = {word: make for words, make in reversed(_BY_WORD) for word in words.split()}
_RANKS: Final = {word: rank for rank, (words, _) in enumerate(_BY_WORD) for word in words.split()}
# Within these objects a word means something of its own.
_BY_FACET: Final[Mapping[str, Mapping[str, Callable[[Place], str]]]] = {
    "quiz": {"explanation": _why, "prompt": _question, "text": _question},
    "example": dict.fromkeys(("explanation", "description", "summary", "text"), _about_example),
    "option": {"text": _option, "answer": _option, "label": _option, "value": _option},
    "exercise": {
        "prompt": _exercise_text("task"),
        "description": _exercise_text("task"),
        "explanation": _exercise_text("hint"),
        "code": _exercise_text("solution"),
        "text": _exercise_text("task"),
    },
    "term": {"description": _meaning, "explanation": _meaning, "text": _meaning},
}


def text_for(place: Place, plain: Mapping[str, Any]) -> str:
    """Return what a string at this place says."""
    if place.has("letter") or (place.has("answer", "correct", "key", "label") and _letter(plain)):
        right = place.material.question(place.number).right
        return _LETTERS[place.option if place.facet == "option" else right]
    if place.facet == "quiz" and len(place.name) == 1 and place.name.upper() in _LETTERS:
        options = place.material.question(place.number).options
        return options[_LETTERS.index(place.name.upper()) % len(options)]
    if place.facet == "option" and place.in_list:
        return _option(place)
    makers = {**_MAKERS, **_BY_FACET.get(place.facet, {})}
    known = [word for word in place.words if word in makers]
    if not known:
        return _about(place)
    return makers[min(known, key=lambda word: _RANKS.get(word, len(_RANKS)))](place)


def _letter(plain: Mapping[str, Any]) -> bool:
    return plain.get("maxLength") == 1 or "letter" in str(plain.get("description", "")).lower()


def _about(place: Place) -> str:
    """Return a sentence about the topic for a property that says nothing known."""
    topic = place.material.topic
    sentences = " ".join(topic.explanation).split(". ")
    chosen = place.material.draw.child(*place.path).pick(sentences)
    return chosen if chosen.endswith((".", "?")) else f"{chosen}."


def number_hint(place: Place, plain: Mapping[str, Any]) -> float:
    """Return what a number at this place is likely to be."""
    if place.has("answer", "correct") and (place.facet in ("quiz", "option")):
        right = place.material.question(place.number).right
        spoken = str(plain.get("description", ""))
        from_one = plain.get("minimum", 0) >= 1 or re.search(r"\b1-based|from 1\b", spoken)
        return right + 1 if from_one else right
    if place.has("minutes", "duration"):
        return 30
    if place.has("number", "order", "index", "lesson", "position", "week", "id"):
        return place.index + 1
    return 1 + place.material.draw.child(*place.path).below(10)


def truth_hint(place: Place) -> bool:
    """Return what a boolean at this place is likely to be."""
    if place.facet == "option":
        return place.option == place.material.question(place.number).right
    return place.material.draw.child(*place.path).below(4) > 0


def argument_for(place: Place, asked: str) -> str:
    """Return what a tool's argument of this name is, as the prompt has it."""
    if place.has("city", "location", "place", "country", "destination", "origin", "address"):
        found = _PROPER.search(asked)
        return found[1].strip() if found else "Berlin"
    if place.has("expression", "formula", "calculation"):
        found = _SUM.search(asked)
        return found[0].strip(" .") if found else "1 + 1"
    if place.has("query", "q", "search", "question", "text", "input", "prompt", "message"):
        quoted = _QUOTED.search(asked)
        return quoted[1] if quoted else asked
    if place.has("topic", "subject", "title", "name", "term", "word"):
        return place.material.topic.title
    return text_for(place, {})
