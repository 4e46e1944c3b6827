"""Templates of prompts, paths and files: jinja2, sandboxed, and strict about missing names."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aicg import ConfigurationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Templates:
    """Makes templates from the texts and the files of a job, which lie in one folder."""

    def __init__(self, folder: Path) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader(folder),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # prompts and Markdown are not HTML
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["slug"] = slug
        self._environment.globals["zip"] = zip

    def text(self, source: str, *, name: str) -> Template:
        """Return the template written in `source`, called `name` in errors.

        Raises:
            ConfigurationError: It is not a template.
        """
        try:
            return Template(name, self._environment.from_string(source))
        except jinja2.TemplateSyntaxError as error:
            raise _wrong(name, f"line {error.lineno}: {error.message}") from error

    def file(self, path: str) -> Template:
        """Return the template in the file at `path`, seen from the job's folder.

        Raises:
            ConfigurationError: There is no such file in the folder, or it is not a template.
        """
        try:
            return Template(path, self._environment.get_template(path))
        except jinja2.TemplateNotFound as error:
            raise _wrong(path, "there is no such template in the job file's folder") from error
        except jinja2.TemplateSyntaxError as error:
            raise _wrong(path, f"line {error.lineno}: {error.message}") from error
        except UnicodeDecodeError as error:
            raise _wrong(path, "not UTF-8: save it as UTF-8") from error


class Template:
    """A text with places to fill."""

    def __init__(self, name: str, compiled: jinja2.Template) -> None:
        self.name = name
        self._compiled = compiled

    def render(self, names: Mapping[str, Any]) -> str:
        """Return the text with its places filled.

        Raises:
            ValidationError: The template uses a name that is not there, or breaks otherwise.
        """
        try:
            return self._compiled.render(names)
        except jinja2.UndefinedError as error:
            known = ", ".join(sorted(names))
            raise ValidationError(
                f"template {self.name}: {error.message}; it can use {known}"
            ) from error
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValidationError(
                f"template {self.name}: {type(error).__name__}: {error}"
            ) from error


def slug(text: str) -> str:
    """Return the text as a part of a file's name.

    >>> slug("Café & Loops: for/while")
    'cafe-loops-for-while'
    """
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "item"


def _wrong(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"template {name}: {what}", key=name)
