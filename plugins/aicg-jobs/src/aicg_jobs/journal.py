"""The journal of an output folder: what its runs asked, got, wrote and spent, one JSON line each.

A line is written before each request and after each answer, so that a run can be broken off at any
point: what was answered is not asked again, and what was asked and never settled counts as spent.
Each line after a request tells what the run has spent until then, as its ledger has it.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Final, Self

from aicg import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JOURNAL: Final = ".aicg-run.jsonl"
LOCK: Final = ".aicg-run.lock"
NOTHING: Final = object()


class Journal:
    """Appends to the journal of a folder, and keeps where in it each answer stands.

    Attributes:
        spent_usd: What earlier runs spent, with those requests at their worst that nobody settled.
    """

    def __init__(self, folder: Path, job: str) -> None:
        """Open the journal, and lock the folder.

        Raises:
            ConfigurationError: Another run is at work in the folder, or it holds another job.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / JOURNAL
        self._answers: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._run_usd = Decimal(0)
        # Items that ask the same share a key, and may be under way together.
        self._unsettled: defaultdict[str, list[Decimal]] = defaultdict(list)
        self.spent_usd = Decimal(0)
        with ExitStack() as files:
            files.enter_context(_locked(folder))
            self._file = files.enter_context(self._path.open("a+b"))
            self._read(job)
            self._add_run()
            self._append({"event": "start", "job": job})
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal, and let others run in the folder."""
        self._files.close()

    def answer(self, key: str) -> Any:
        """Return the answer kept under the key, or `NOTHING`."""
        offset = self._answers.get(key)
        return NOTHING if offset is None else self._at(offset)["answer"]

    def entry(self, key: str) -> dict[str, Any]:
        """Return all that is kept of an answer, the names of its files among it."""
        return {**self._at(self._answers[key]), "files": list(self.written(key))}

    def written(self, key: str) -> Mapping[str, str]:
        """Return the files last written from an answer, with a digest of what stood in each."""
        offset = self._written.get(key)
        return {} if offset is None else self._at(offset)["files"]

    def ask(self, key: str, worst_usd: Decimal | None) -> None:
        """Note that a request is about to be sent that costs at most this."""
        self._append({"event": "ask", "key": key, "worst_usd": str(worst_usd or 0)})

    def keep(self, key: str, record: Mapping[str, Any], spent_usd: Decimal) -> None:
        """Note an answer, which is `answer` in the record, and what the run has spent."""
        line = {"event": "answer", "key": key, **record, "spent_usd": str(spent_usd)}
        self._answers[key] = self._append(line)

    def fail(self, key: str, reason: str, spent_usd: Decimal) -> None:
        """Note that a request brought no answer that can be used, and what the run has spent."""
        line = {"event": "fail", "key": key, "reason": reason, "spent_usd": str(spent_usd)}
        self._append(line)

    def write(self, key: str, files: Mapping[str, str]) -> None:
        """Note the files made from an answer, with a digest of what stands in each."""
        self._written[key] = self._append({"event": "write", "key": key, "files": files})

    def end(self, spent_usd: Decimal) -> None:
        """Note what the run spent in all; nothing is under way any more."""
        self._append({"event": "end", "spent_usd": str(spent_usd)})

    def _append(self, record: Mapping[str, Any]) -> int:
        try:
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            # What is written to an open file names none.
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        return offset

    def _at(self, offset: int) -> dict[str, Any]:
        self._file.seek(offset)
        record: dict[str, Any] = json.loads(self._file.readline())
        return record

    def _read(self, job: str) -> None:
        self._file.seek(0)
        offset, line = 0, b"\n"
        for line in self._file:
            # A crash tears the last line at most; what it told is asked for again.
            with suppress(ArithmeticError, KeyError, TypeError, ValueError):
                self._take(json.loads(line), offset, job)
            offset += len(line)
        if not line.endswith(b"\n"):
            self._file.write(b"\n")

    def _take(self, record: Mapping[str, Any], offset: int, job: str) -> None:
        match record["event"]:
            case "start":
                if record["job"] != job:
                    raise ConfigurationError(
                        f"{self._path.parent} holds the work of another job, {record['job']!r}: "
                        f"choose another folder for {job!r} with --output",
                        source=str(self._path),
                    )
                self._add_run()
            case "ask":
                self._unsettled[record["key"]].append(Decimal(record["worst_usd"]))
            case "answer" | "fail":
                self._run_usd = Decimal(record["spent_usd"])
                if worst := self._unsettled[record["key"]]:
                    worst.pop()
                if record["event"] == "answer":
                    self._answers[record["key"]] = offset
            case "write":
                self._written[record["key"]] = offset
            case "end":
                self._run_usd = Decimal(record["spent_usd"])
                self._unsettled.clear()

    def _add_run(self) -> None:
        """Count the run that was read last to those before it."""
        self.spent_usd += self._run_usd + sum(map(sum, self._unsettled.values()))
        self._run_usd = Decimal(0)
        self._unsettled.clear()


def _locked(folder: Path) -> IO[bytes]:
    # The system drops the lock with the process, so a crash leaves none behind. The file stays
    # empty: Windows locks bytes from where it stands, and lets nobody else read them.
    lock = (folder / LOCK).open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigurationError(
            f"another aicg run is at work in {folder}: wait until it ends, or choose another "
            f"folder with --output"
        ) from error
    return lock
