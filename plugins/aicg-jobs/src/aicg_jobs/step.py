"""One step of a job: a prompt, the form of its answer, and the files made of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs
import jsonschema_rs

from aicg import ConfigurationError, RequestOptions, Response, ResponseValidationError
from aicg_jobs.files import safe_path
from aicg_jobs.templates import Template

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ERRORS = 3


@attrs.frozen(kw_only=True)
class OutputFile:
    """A file made of an answer.

    Attributes:
        path: Where it lies in the output folder; filled from the item alone.
        template: What stands in it; None for the answer itself, as JSON if it has a schema.
    """

    path: Template
    template: Template | None

    def path_for(self, names: Mapping[str, Any]) -> str:
        """Return where the file of an item lies.

        Raises:
            ValidationError: The template cannot be filled.
            ConfigurationError: The path leads out of the output folder.
        """
        return safe_path(self.path.render(names))

    def text_for(self, names: Mapping[str, Any]) -> str:
        """Return what stands in the file, given the names of the item and its `answer`.

        Raises:
            ValidationError: The template cannot be filled.
        """
        if self.template is not None:
            text = self.template.render(names)
        elif isinstance(names["answer"], str):
            text = names["answer"]
        else:
            text = json.dumps(names["answer"], indent=2, ensure_ascii=False)
        return text.rstrip() + "\n"


@attrs.frozen(kw_only=True)
class Step:
    """What is asked for each item, or once for the whole job.

    Attributes:
        name: What later prompts and templates call its answer.
        once: Whether it is asked once, before the items.
        prompt: The question.
        files: What is made of the answer.
        options: What is asked of each request beside the prompt.
        validator: Tells whether an answer follows the schema.
    """

    name: str
    once: bool
    prompt: Template
    files: tuple[OutputFile, ...]
    options: RequestOptions
    validator: jsonschema_rs.Validator | None

    def key(self, model: str, prompt: str, item_id: Any) -> str:
        """Return what the answer is kept under: it changes with all that may change the answer."""
        asked = json.dumps(
            [self.name, item_id, model, prompt, self.options], sort_keys=True, default=str
        )
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    def answer_of(self, response: Response) -> Any:
        """Return the answer in a response: its text, or its data if the step has a schema.

        Raises:
            ResponseValidationError: The answer is cut off, empty, or does not follow the schema.
        """
        errors: list[str] = []
        answer = response.text if self.validator is None else response.parsed
        if response.finish_reason != "stop":
            errors.append(_UNFINISHED.get(response.finish_reason, response.finish_reason))
        elif self.validator is not None:
            for error in self.validator.iter_errors(answer):
                where = "/".join(str(part) for part in error.instance_path) or "the answer"
                errors.append(f"{where}: {error.message}")
        elif not response.text.strip():
            errors.append("the answer is empty")
        if errors:
            shown = "; ".join(errors[:_MOST_ERRORS])
            more = len(errors) - _MOST_ERRORS
            raise ResponseValidationError(
                f"{shown}; and {more} more" if more > 0 else shown, response=response, errors=errors
            )
        return answer


_UNFINISHED = {
    "length": "the answer is cut off: raise max_output_tokens in [job]",
    "content_filter": "the provider withheld the answer for its content",
    "tool_calls": "the model asked for a tool, and a job has none",
}


def validator_of(schema: Any, *, where: str) -> jsonschema_rs.Validator:
    """Return what tells whether data follows the schema; it never uses the network.

    Raises:
        ConfigurationError: It is not a JSON schema.
    """
    if not isinstance(schema, dict):
        raise ConfigurationError(
            f"{where} is not a JSON schema: expected an object, got {type(schema).__name__}",
            key=where,
        )
    try:
        return jsonschema_rs.validator_for(schema, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(f"{where} is not a JSON schema: {reason}", key=where) from error
