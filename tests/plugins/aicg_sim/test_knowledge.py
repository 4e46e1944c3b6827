"""What the models know is right: examples print what they say, solutions pass their tests."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aicg_sim.draws import Draw
from aicg_sim.knowledge import Exercise, Topic, known_topics, topic_named, topics_in, whole_course
from aicg_sim.prose import generic_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from aicg_sim.material import Material

ALL = (*known_topics(), whole_course())
TOPICS = [pytest.param(topic, id=topic.title) for topic in ALL]
EXERCISES = [
    pytest.param(exercise, id=exercise.title) for topic in ALL for exercise in topic.exercises
]


def output_of(*programs: str) -> str:
    """Run programs one after the other as one, and return what they print."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec("\n".join(programs), {"__name__": "__main__"})
    return printed.getvalue().strip()


def test_the_course_has_its_topics_in_order() -> None:
    titles = [topic.title for topic in known_topics()]

    assert titles[:4] == ["Variables", "Numbers", "Strings", "Conditionals"]
    assert [topic.order for topic in known_topics()] == list(range(1, len(titles) + 1))
    assert len(titles) == 13


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_prints_what_it_says(topic: Topic) -> None:
    assert output_of(topic.example.code) == topic.example.output.strip()


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_solution_passes_its_tests(exercise: Exercise) -> None:
    output_of(exercise.solution, exercise.tests)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_starter_runs_and_does_not_pass_the_tests(exercise: Exercise) -> None:
    output_of(exercise.starter)

    with pytest.raises(Exception):  # noqa: B017, PT011 - however it fails
        output_of(exercise.starter, exercise.tests)


@pytest.mark.parametrize("topic", TOPICS)
def test_quiz_questions_have_four_different_options(topic: Topic) -> None:
    assert len(topic.quiz) == 5
    assert all(len(set(question.options)) == 4 for question in topic.quiz)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_found_by_its_name(topic: Topic) -> None:
    assert topic_named(topic.title) is topic
    if topic.order:
        assert topics_in(f'Python lesson: "{topic.title}"')[0] is topic


@given(phrase=st.text(min_size=1).filter(str.strip), seed=st.integers(0, 2**64 - 1))
@example(phrase="ABOUT", seed=0)
@example(phrase="and", seed=0)
@settings(deadline=None)
def test_texts_on_any_other_topic_are_right_too(phrase: str, seed: int) -> None:
    topic = generic_topic(phrase, Draw(seed))

    assert output_of(topic.example.code) == topic.example.output.strip()
    for exercise in topic.exercises:
        output_of(exercise.solution, exercise.tests)


def test_tests_become_functions_where_pytest_is_spoken_of(
    material: Callable[..., Material],
) -> None:
    plain = material("Write an exercise about Python lists.")
    with_pytest = material("Write an exercise about Python lists with pytest tests.")
    exercise = with_pytest.topic.exercises[0]

    tests = with_pytest.tests_of(exercise)

    assert plain.tests_of(exercise) == exercise.tests
    names: dict[str, object] = {}
    exec(f"{exercise.solution}\n{tests}", names)
    functions = [value for name, value in names.items() if name.startswith("test_")]
    assert len(functions) == exercise.tests.count("\n\n") + 1
    for function in functions:
        assert callable(function)
        function()


def test_tests_import_the_solution_where_the_prompt_says_so(
    material: Callable[..., Material],
) -> None:
    prompt = "Write an exercise about Python files. The tests begin with: from solution import name"
    made = material(prompt)
    exercise = next(one for one in made.topic.exercises if one.title == "Save and load")

    tests = made.tests_of(exercise)

    assert tests.startswith("from solution import load, save\n")
