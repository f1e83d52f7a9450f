"""Benchmark problems as texts in parts: JSON Lines by their columns, folders by their files.

Known by their columns are HumanEval, HumanEvalPack (``prompt``, ``canonical_solution``) and MBPP (``text`` or
``prompt``, ``code``); other tables need the columns named. Files end in ``.jsonl``, ``.ndjson`` or ``.json`` (one
object a line, or one array), plain, ``.gz`` or ``.zst``.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import zstandard

from provenance.errors import InputError
from provenance.text import clean

SUFFIXES = tuple(kind + packed for kind in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz", ".zst"))
LARGEST = 4 << 20
"""Characters of one problem; a longer one is refused: it is a file of something else."""
_LONGEST_LINE = 8 * LARGEST

_SOLUTIONS = ("canonical_solution", "code")
_STATEMENTS = ("prompt", "text")
_NAMES = ("task_id", "id", "name", "problem_id", "question_id")
_SUFFIX_OF = {"python": ".py", "js": ".js", "java": ".java", "go": ".go", "cpp": ".cpp", "rust": ".rs"}
"""What HumanEvalPack calls its languages, in its files' names and before the slash of a ``task_id``."""
_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a problem's text in code points: its ``statement`` (what is asked), its ``solution``, a column."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the benchmark's name, its own, and its text with the parts in it.

    ``path`` is a name whose extension tells the language, empty where nothing does.
    """

    benchmark: str
    id: str
    text: str
    parts: tuple[Part, ...]
    path: str = ""


def problems(path: str, columns: Sequence[str] = ()) -> Iterator[Problem]:
    """Yield the problems of a benchmark: a table of rows, or a folder in which each file is one.

    ``columns`` name the parts of a row where it is of no known benchmark.

    Raises:
        InputError: nothing is there, it cannot be read, or its columns are not known; the message names the row.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: there is no such file or folder")
    if os.path.isdir(path):
        yield from _of_folder(Path(path))
    elif path.lower().endswith(SUFFIXES):
        yield from _of_table(path, columns)
    else:
        raise InputError(f"{path}: no table of problems; known are {', '.join(SUFFIXES)}, and folders of files")


def _of_folder(root: Path) -> Iterator[Problem]:
    files = sorted(file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    visible = [file for file in files if not any(map(_passed_over, file.relative_to(root).parts))]
    if not visible:
        raise InputError(f"{root}: no file is in this folder")
    for file in visible:
        try:
            if file.stat().st_size > 4 * LARGEST:
                raise InputError(f"{file}: {file.stat().st_size:,} bytes; problems have {LARGEST:,} characters at most")
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{file}: this is not UTF-8 text; leave it out of the folder") from None
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from error
        name = file.relative_to(root).as_posix()
        yield _problem(root.name, name, [("text", text)], name)


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def _of_table(path: str, columns: Sequence[str]) -> Iterator[Problem]:
    benchmark = os.path.basename(path)
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        benchmark = benchmark.removesuffix(suffix)
    number = 0
    for number, row in enumerate(_rows(path), 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number} is no JSON object")
        pieces = _pieces(row, columns)
        if pieces is None:
            wanted = ", ".join(columns) if columns else "prompt and canonical_solution, or text and code"
            raise InputError(
                f"{path}: row {number} has no text in {wanted}; it has {', '.join(map(str, row))}: name its columns "
                "with --column"
            )
        name = next((str(row[key]) for key in _NAMES if row.get(key) is not None), str(number))
        language = name.partition("/")[0].lower()
        # HumanEval and MBPP are Python and do not say so.
        suffix = _SUFFIX_OF.get(language) or _SUFFIX_OF.get(benchmark.lower()) or ("" if columns else ".py")
        yield _problem(benchmark, name, pieces, f"problem{suffix}" if suffix else "")
    if not number:
        raise InputError(f"{path}: no row is in this file")


def _pieces(row: dict[str, Any], columns: Sequence[str]) -> list[tuple[str, str]] | None:
    """Return the pieces that make a row's text, with the names of those that are parts; None where one is missing."""
    if columns:
        pieces = []
        for name in columns:
            text = _text(row.get(name))
            if text is None:
                return None
            pieces += [(name, text), ("", "\n")]
        return pieces
    solution = next((row[name] for name in _SOLUTIONS if isinstance(row.get(name), str)), None)
    statement = next((row[name] for name in _STATEMENTS if isinstance(row.get(name), str)), None)
    if solution is None or statement is None:
        return None
    if "canonical_solution" not in row:
        return [("statement", statement), ("", "\n\n"), ("solution", solution)]
    # The prompt is code with the statement in it: what is in front of the statement belongs to no part.
    docstrings = list(_DOCSTRING.finditer(statement))
    if docstrings:
        start, end = docstrings[-1].span(2)
        return [("", statement[:start]), ("statement", statement[start:end]), ("solution", statement[end:] + solution)]
    declared = row.get("declaration")
    head = statement.removesuffix(declared) if isinstance(declared, str) else statement
    return [("statement", head), ("solution", statement[len(head) :] + solution)]


def _text(value: object) -> str | None:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return value if isinstance(value, str) else None


def _problem(benchmark: str, name: str, pieces: Sequence[tuple[str, str]], path: str) -> Problem:
    text, parts = "", []
    for part, piece in pieces:
        if part and piece.strip():
            parts.append(Part(part, len(text), len(text) + len(piece)))
        text += clean(piece)
    if len(text) > LARGEST:
        raise InputError(f"{benchmark} {name}: {len(text):,} characters; problems have {LARGEST:,} at most")
    return Problem(benchmark, name, text, tuple(parts), path)


def _rows(path: str) -> Iterator[Any]:
    try:
        with _opened(path) as stream:
            for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), ""), 1):
                if line.lstrip().startswith("["):
                    # Rows are objects, so this is one array of them.
                    yield from json.loads(line + stream.read())
                    return
                if len(line) >= _LONGEST_LINE:
                    raise InputError(f"{path}: line {number} is longer than {_LONGEST_LINE:,} characters")
                if not line.isspace():
                    yield json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: this is no JSON Lines: {getattr(error, 'msg', 'nested too deep')}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: this is not UTF-8 text") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{path}: the compressed stream is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    lower = path.lower()
    with open(path, "rb") as raw:
        if lower.endswith(".gz"):
            with gzip.open(raw, "rt", encoding="utf-8") as packed:
                yield packed
        elif lower.endswith(".zst"):
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            yield io.TextIOWrapper(reader, encoding="utf-8")
        else:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig")
