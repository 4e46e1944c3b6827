"""What is read out of a prompt: the kind of text, the topic, the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicg_sim import markdown
from aicg_sim.draws import Draw
from aicg_sim.material import Material
from aicg_sim.prompts import read_brief

if TYPE_CHECKING:
    from collections.abc import Callable

COURSE = "variables, numbers, strings, conditionals, loops, lists"


@pytest.mark.parametrize(
    ("prompt", "kind", "title"),
    [
        ("Explain recursion to a twelve-year-old.", "answer", "Recursion"),
        ("Write a lesson about loops.", "lesson", "Loops"),
        ("Write an outline for a Python basics course.", "outline", "Python basics"),
        ("Write an outline for a course on bread baking", "outline", "Bread baking"),
        (f'Course: Python ({COURSE}). Write lesson 6, "Lists".', "lesson", "Lists"),
        ("Create two exercises about Python dictionaries.", "exercise", "Dictionaries"),
        ("Write a quiz of five questions on photosynthesis.", "quiz", "Photosynthesis"),
        ("Write a lesson about error handling in Python", "lesson", "Errors and exceptions"),
        ("Topic: for loops. Audience: beginners in Python.", "answer", "Loops"),
        ("Summarise classes in Python.", "summary", "Classes and objects"),
        ("What is the gap between TCP and UDP?", "answer", "The gap between TCP and UDP"),
        ("Explain the functions of the liver.", "answer", "The functions of the liver"),
        ("Hello!", "greeting", "Hello"),
        ("12345", "answer", "The question"),
    ],
)  # fmt: skip
def test_a_prompt_tells_the_kind_and_the_topic(
    material: Callable[..., Material], prompt: str, kind: str, title: str
) -> None:
    brief = material(prompt).brief

    assert brief.kind == kind
    assert brief.topic.title == title


def test_a_prompt_without_a_topic_goes_on_with_the_last_one() -> None:
    brief = read_brief("", ["Explain recursion.", "Now as a story."], Draw(1))

    assert brief.kind == "story"
    assert brief.topic.title == "Recursion"


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("Write 12 lessons.", 12),
        ("Write five short quiz lessons.", 5),
        ("Write a course of 1000 lessons.", 3),
        ("Write 0 lessons.", 1),
        ("Write lessons.", 3),
    ],
)
def test_a_number_before_a_noun_is_a_count(
    material: Callable[..., Material], prompt: str, count: int
) -> None:
    assert material(prompt).brief.count("lessons", 3) == count


def test_a_course_has_as_many_lessons_as_asked_for(material: Callable[..., Material]) -> None:
    listed = material(f"Write the outline of a Python course: {COURSE}.").course()
    fifteen = material("Write the outline of a Python course with 15 lessons.").course()

    assert [topic.title.lower() for topic in listed] == COURSE.split(", ")
    assert len({topic.title for topic in fifteen}) == 15


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Write a lesson on Python lists.", ["# Lists", "```python", "## Common mistakes"]),
        ("Write an exercise on Python lists.", ["# Exercise: ", "## Solution", "## Tests"]),
        ("Write a quiz of 6 questions on Python lists.", ["# Quiz: Lists", "6. ", "## Answers"]),
        ("Write an outline for a Python course.", ["## Lesson 1: Variables", "## Lesson 12: "]),
        ("Summarise Python lists.", ["A list keeps", "- "]),
        ("Tell a story about photosynthesis.", ["the baker", "photosynthesis"]),
    ],
)
def test_a_text_has_the_form_of_its_kind(
    material: Callable[..., Material], prompt: str, expected: list[str]
) -> None:
    text = markdown.write(material(prompt))

    assert all(piece in text for piece in expected)


def test_an_answer_has_as_many_sentences_as_asked_for(
    material: Callable[..., Material],
) -> None:
    text = markdown.write(material("Explain loops in Python in two sentences."))

    assert text.count(". ") + text.endswith((".", "?")) == 2


@given(prompt=st.text(), system=st.text(), seed=st.integers(0, 2**64 - 1))
def test_every_prompt_has_an_answer(prompt: str, system: str, seed: int) -> None:
    draw = Draw(seed)

    text = markdown.write(Material(read_brief(system, [prompt], draw), draw))

    assert text
