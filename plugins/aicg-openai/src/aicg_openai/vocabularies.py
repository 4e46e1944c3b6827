"""Exact counts of tokens by tiktoken, where it is installed and has its vocabulary."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import tiktoken

    from aicg_openai.tokens import Counter

log = logging.getLogger("aicg")

# The names that tiktoken gives the files in its cache: hashes of where it fetches them.
_FILES: Final = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
_LOAD_TIMEOUT_S: Final = 5.0


class Vocabularies:
    """Finds what counts a model's tokens.

    Args:
        mode: The setting `tokenizer`.
    """

    def __init__(self, mode: Literal["auto", "bytes", "tiktoken"]) -> None:
        self._mode = mode
        self._counters: dict[str, Counter | None] = {}
        self._has_told = False

    def counter(self, model: str) -> Counter | None:
        """Return what counts the tokens of a text for this model, or None if nothing can.

        The first call for a model may take half a second.
        """
        if self._mode == "bytes":
            return None
        if model not in self._counters:
            self._counters[model] = self._find(model)
        return self._counters[model]

    def _find(self, model: str) -> Counter | None:
        try:
            import tiktoken
        except ImportError:
            self._give_up("tiktoken is not installed (pip install aicg-openai[tiktoken])")
            return None
        try:
            name = tiktoken.encoding_name_for_model(model)
        except KeyError:
            return None
        if self._mode == "auto" and not _is_cached(name):
            self._give_up(
                f"tiktoken has no {name} vocabulary on this machine (set TIKTOKEN_CACHE_DIR to "
                'where it is, or tokenizer = "tiktoken" to have it fetched)'
            )
            return None
        encoding = _load(name)
        if encoding is None:
            self._give_up(f"tiktoken could not load its {name} vocabulary")
            return None
        return lambda text: len(encoding.encode_ordinary(text))

    def _give_up(self, why: str) -> None:
        if not self._has_told:
            self._has_told = True
            level = logging.INFO if self._mode == "auto" else logging.WARNING
            log.log(level, "input tokens are estimated from bytes: %s", why)


def _is_cached(name: str) -> bool:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        import tempfile

        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    return bool(folder) and name in _FILES and (Path(folder) / _FILES[name]).is_file()


def _load(name: str) -> tiktoken.Encoding | None:
    """Return the encoding, unless it takes too long: a damaged file is fetched anew."""
    loaded: list[tiktoken.Encoding] = []

    def load() -> None:
        import tiktoken

        try:
            loaded.append(tiktoken.get_encoding(name))
        except (ImportError, OSError, ValueError):  # the network's errors are among them
            log.debug("tiktoken failed to load %s", name, exc_info=True)

    thread = threading.Thread(target=load, name="aicg-tiktoken", daemon=True)
    thread.start()
    thread.join(_LOAD_TIMEOUT_S)
    return loaded[0] if loaded else None
