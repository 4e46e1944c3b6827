"""Chat Completions as plain functions: requests to JSON, JSON to responses, events to chunks."""

from __future__ import annotations

from aicg_openai.codec.failures import Failures
from aicg_openai.codec.payloads import WireError, dump, parse, read_models
from aicg_openai.codec.requests import left_out, text_of_document, to_wire
from aicg_openai.codec.responses import from_wire, output_bytes
from aicg_openai.codec.schemas import response_format
from aicg_openai.codec.streams import DONE, EventSplitter, StreamDecoder, StreamedError
from aicg_openai.codec.usage import read_usage

__all__ = [
    "DONE",
    "EventSplitter",
    "Failures",
    "StreamDecoder",
    "StreamedError",
    "WireError",
    "dump",
    "from_wire",
    "left_out",
    "output_bytes",
    "parse",
    "read_models",
    "read_usage",
    "response_format",
    "text_of_document",
    "to_wire",
]
