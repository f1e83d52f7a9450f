"""The questions: snippets of indexed repositories under each transformation, and snippets that must raise no alarm."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from benchmarks.quality import transforms
from benchmarks.quality.corpus import File, Split, split
from benchmarks.quality.syntax import Parsed, parse
from benchmarks.quality.transforms import Snippet
from benchmarks.quality.truth import Origin, Truth, Verbatim

LENGTHS = (30, 60, 120, 240)
NEGATIVE_LENGTHS = (60, 120, 240)


@dataclass(frozen=True, slots=True)
class Query:
    """One question: its set (a transformation or a set of negatives), its text, and where it is from."""

    set: str
    text: bytes
    language: str
    repository: str
    origin: Origin | None = None


class Cutter:
    """Cuts snippets from the functions of a corpus."""

    def __init__(self, files: list[File], truth: Truth, *, indexed: bool, tuning: bool, blind: bool = False) -> None:
        self._files, self._truth = files, truth
        self._by_language: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, function in enumerate(truth.functions):
            file = files[function.file]
            if split(file.repository) == Split(indexed, tuning, blind):
                self._by_language[file.language][file.repository].append(number)

    @property
    def languages(self) -> list[str]:
        """Return the languages of this part, sorted."""
        return sorted(self._by_language)

    def cut(self, language: str, length: int, generator: random.Random) -> tuple[Snippet, Origin] | None:
        """Return ``length`` tokens (comments aside) of a random function of a random repository, from a line's first
        token.
        """
        by_repository = self._by_language[language]
        for _ in range(50):
            choice = by_repository[generator.choice(sorted(by_repository))]
            number = generator.choice(choice)
            function = self._truth.functions[number]
            if function.tokens >= length:
                return self._cut_function(number, length, generator)
        return None

    def foreign_lines(self, language: str) -> list[bytes]:
        """Return lines of code of the language, to be put between those of a snippet."""
        lines: list[bytes] = []
        for functions in self._by_language[language].values():
            for number in functions[:20]:
                function = self._truth.functions[number]
                text = self._files[function.file].text[function.start : function.end]
                lines += [line for line in text.split(b"\n")[1:-1] if len(line.strip()) > 8]
        return lines

    def _cut_function(self, number: int, length: int, generator: random.Random) -> tuple[Snippet, Origin]:
        function = self._truth.functions[number]
        file = self._files[function.file]
        tokens = [t for t in _parsed(file).tokens if function.start <= t.start and t.end <= function.end]
        code = [index for index, token in enumerate(tokens) if token.kind != "comment"]
        firsts = [
            at
            for at in range(len(code) - length + 1)
            if at == 0 or b"\n" in file.text[tokens[code[at] - 1].end : tokens[code[at]].start]
        ]
        at = generator.choice(firsts)
        cut = tokens[code[at] : code[at + length - 1] + 1]
        start, end = cut[0].start, cut[-1].end
        inside = tuple(replace(token, start=token.start - start, end=token.end - start) for token in cut)
        return Snippet(file.text[start:end], inside, file.language), Origin(function.file, start, end, number, length)


@lru_cache(maxsize=512)
def _parsed(file: File) -> Parsed:
    return parse(file.text, file.language)


def _tokenised(snippet: Snippet) -> Snippet:
    return replace(snippet, tokens=parse(snippet.text, snippet.language).tokens)


def _all(snippet: Snippet, generator: random.Random, foreign: list[bytes]) -> Snippet:
    renamed = transforms.layout(transforms.rename(snippet, generator, 1, 1), generator)
    edited = transforms.edit_statements(renamed, generator, 0.1, foreign)
    return transforms.comments(_tokenised(edited), generator)


TRANSFORMATIONS: dict[str, Callable[[Snippet, random.Random, list[bytes]], Snippet]] = {
    "exact": lambda snippet, generator, foreign: snippet,
    "layout": lambda snippet, generator, foreign: transforms.layout(snippet, generator),
    "comments": lambda snippet, generator, foreign: transforms.comments(snippet, generator),
    "partial rename": lambda snippet, generator, foreign: transforms.rename(snippet, generator, 0.2, 2),
    "full rename": lambda snippet, generator, foreign: transforms.rename(snippet, generator, 1, 1),
    "10 % edited": lambda snippet, generator, foreign: transforms.edit_statements(snippet, generator, 0.1, foreign),
    "30 % edited": lambda snippet, generator, foreign: transforms.edit_statements(snippet, generator, 0.3, foreign),
    "all combined": _all,
}
"""Layout, comments, every identifier renamed and a tenth of the statements edited make up ``all combined``."""


def positives(
    files: list[File],
    truth: Truth,
    *,
    tuning: bool,
    number: int,
    seed: int = 1,
    lengths: Sequence[int] = LENGTHS,
) -> list[Query]:
    """Return ``number`` snippets a language and length, each under every transformation."""
    generator = random.Random(seed)
    cutter = Cutter(files, truth, indexed=True, tuning=tuning)
    queries = []
    for language in cutter.languages:
        foreign = cutter.foreign_lines(language)
        for length in lengths:
            for _ in range(number):
                if (cut := cutter.cut(language, length, generator)) is None:
                    continue
                snippet, origin = cut
                repository = files[origin.file].repository
                for name, transform in TRANSFORMATIONS.items():
                    text = transform(snippet, generator, foreign).text
                    queries.append(Query(name, text, language, repository, origin))
    return queries


def novel(
    files: list[File],
    truth: Truth,
    indexed: Verbatim,
    *,
    tuning: bool,
    number: int,
    seed: int = 2,
    blind: bool = False,
    lengths: Sequence[int] = NEGATIVE_LENGTHS,
) -> tuple[list[Query], Counter[str]]:
    """Return snippets of repositories that are not indexed, spread over languages and lengths, and what was excluded.

    Excluded are snippets of functions with a near-duplicate in the index, and snippets that share a verbatim run
    of 150 characters or more with it. Nothing else is. No snippet is taken twice, so a part that is too small for its
    share gives fewer.
    """
    generator = random.Random(seed)
    cutter = Cutter(files, truth, indexed=False, tuning=tuning, blind=blind)
    queries: list[Query] = []
    excluded: Counter[str] = Counter()
    taken: set[Origin] = set()
    each = -(-number // (len(cutter.languages) * len(lengths)))
    for language in cutter.languages:
        for length in lengths:
            for _ in range(each):
                if (cut := cutter.cut(language, length, generator)) is None or cut[1] in taken:
                    continue
                snippet, origin = cut
                taken.add(origin)
                if truth.is_known(origin.function):
                    excluded["near-duplicate"] += 1
                elif indexed.longest(snippet.text) >= 150:
                    excluded["verbatim run"] += 1
                else:
                    queries.append(Query("novel", snippet.text, language, files[origin.file].repository, origin))
    return queries, excluded
