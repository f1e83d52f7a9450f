"""A guard around any function that generates text.

    guard = Guard(Index.open("corpus.idx"), load_policy("copyleft"))
    answer = guarded(generate, guard)("Write a parser for INI files.")
    print(answer.text, answer.attribution)

``generate(prompt, …)`` returns a string, or yields pieces of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from provenance.errors import ParameterError
from provenance.guard.decisions import Audit, Decision, Tally
from provenance.guard.evidence import Examiner
from provenance.guard.policy import Policy
from provenance.guard.policy_file import PRESETS
from provenance.guard.scanner import require_streamable
from provenance.guard.session import Release, Session
from provenance.index import Index

AnswerEnding = Literal["complete", "ended", "abstained", "failed"]
Generate = Callable[..., str | Iterable[str]]
_RETRIES = frozenset(("regenerate", "block"))


class Guard:
    """An index, a policy, and what is kept of decisions. Usable from many threads."""

    def __init__(
        self,
        index: Index,
        policy: Policy = PRESETS["annotate"],
        *,
        audit: Audit | None = None,
        tally: Tally | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Guard with ``index``, and look spans up with ``pool``; both, where given, stay the caller's to close.

        Raises `MismatchError` for an index that cannot be asked while a text is written.
        """
        for each in index.filters:
            require_streamable(each.geometry)
        self.index = index
        self.policy = policy
        self.tally = tally or Tally()
        self._pool = pool or lookups()
        self._owns_pool = pool is None
        self.examiner = Examiner(index, policy, self._pool)
        self._audit = audit

    def __enter__(self) -> Guard:
        """Return the guard itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the guard."""
        self.close()

    def close(self) -> None:
        """Let go of the threads."""
        if self._owns_pool:
            self._pool.shutdown(cancel_futures=True)

    def session(self, prompt: str = "", *, answer: str | None = None, followed: bool = False) -> Session:
        """Return the guard of one answer to ``prompt``; ``answer`` is its id in the audit.

        ``followed``: somebody looks at `Session.growing`.
        """
        return Session(self, prompt, answer, followed=followed)

    def wrap(self, model: Any, tokenizer: Any) -> Any:
        """Return a `transformers` model with its ``generate`` guarded; see `provenance.guard.transformers`.

        Raises `ParameterError` where torch or transformers is missing, or for a model that is no decoder.
        """
        try:
            from provenance.guard.transformers import wrap
        except ModuleNotFoundError as error:
            raise ParameterError(
                f"the guard in the decoder needs {error.name}: pip install torch transformers"
            ) from None
        return wrap(model, tokenizer, self)

    def record(self, session: Session, decision: Decision) -> None:
        """Count a decision and write it to the audit."""
        self.tally.decided(decision)
        if self._audit is not None:
            self._audit(decision.record(answer=session.id, policy=self.policy.name, digest=self.index.digest))


def lookups(workers: int | None = None) -> ThreadPoolExecutor:
    """Return threads that look spans up; they are started when there is something to look up."""
    return ThreadPoolExecutor(workers or max(2, os.cpu_count() or 1), thread_name_prefix="guard")


@dataclass(frozen=True, slots=True)
class Answer:
    """What reaches the reader. ``ending``: ``complete``; ``ended`` before a copy, with what came before it;
    ``abstained``: nothing was left; ``failed``: the guard could not judge. ``attempts`` samples were drawn.
    """

    text: str
    ending: AnswerEnding
    attempts: int
    attribution: dict[str, Any]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of an answer: text that may be shown, what was decided, and the copies that are being written.

    ``growing`` are `Session.growing`: each step's replace those of the one before.
    """

    text: str
    decisions: tuple[Decision, ...] = ()
    growing: tuple[Decision, ...] = ()


class Guarded:
    """A generating function whose answers are guarded."""

    def __init__(self, generate: Generate, guard: Guard) -> None:
        """Guard ``generate``."""
        self._generate = generate
        self._guard = guard

    def __call__(self, prompt: str, /, *arguments: Any, **named: Any) -> Answer:
        """Return the answer to ``prompt``; the other arguments are the function's."""
        best: tuple[str, Session] | None = None
        decisions: list[Decision] = []
        attempts = 0
        for attempt in range(1 + self._guard.policy.attempts):
            session = self._guard.session(prompt)
            text = "".join(release.text for release in _released(session, self._generate, prompt, arguments, named))
            attempts = attempt + 1
            decisions += session.decisions
            if best is None or session.ending == "complete" or len(text) > len(best[0]):
                best = text, session
            if not retried(session):
                break
        assert best is not None
        return self._answer(*best, attempts, decisions)

    def stream(self, prompt: str, /, *arguments: Any, **named: Any) -> Generator[str, None, Answer]:
        """Yield the answer as it may be released, and return it. Closing the iterator ends the generation.

        Another sample is drawn only while nothing was released: what a reader has seen is not taken back.
        """
        progress = self._progress(prompt, arguments, named, followed=False)
        while True:
            try:
                step = next(progress)
            except StopIteration as over:
                answer: Answer = over.value
                return answer
            if step.text:
                yield step.text

    def follow(self, prompt: str, /, *arguments: Any, **named: Any) -> Generator[Progress, None, Answer]:
        """Do as `stream`, and tell of copies while they are written."""
        return self._progress(prompt, arguments, named, followed=True)

    def _progress(
        self, prompt: str, arguments: tuple[Any, ...], named: dict[str, Any], *, followed: bool
    ) -> Generator[Progress, None, Answer]:
        text = ""
        decisions: list[Decision] = []
        attempt = 0
        while True:
            attempt += 1
            session = self._guard.session(prompt, followed=followed)
            for release in _released(session, self._generate, prompt, arguments, named):
                text += release.text
                yield Progress(release.text, release.decisions, session.growing if followed else ())
            decisions += session.decisions
            if text or not retried(session) or attempt > self._guard.policy.attempts:
                break
        answer = self._answer(text, session, attempt, decisions)
        if answer.text != text:
            yield Progress(answer.text.removeprefix(text))
        return answer

    def _answer(self, text: str, session: Session, attempts: int, decisions: list[Decision]) -> Answer:
        attribution = session.attribution()
        ending: AnswerEnding = session.ending or "complete"
        if ending == "ended" and not text.strip():
            ending, text = "abstained", self._guard.policy.abstention
            attribution["ending"] = ending
        self._guard.tally.answered(ending)
        return Answer(text, ending, attempts, attribution, tuple(decisions))


def guarded(generate: Generate, guard: Guard) -> Guarded:
    """Return ``generate`` with its answers guarded."""
    return Guarded(generate, guard)


def retried(session: Session) -> bool:
    """Tell whether the answer ended in a way for which the policy wants another sample."""
    return session.ending == "ended" and any(each.action in _RETRIES for each in session.decisions)


def _released(
    session: Session, generate: Generate, prompt: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> Iterator[Release]:
    """Yield what an answer lets out; the generation is closed when the answer ends or the reader leaves."""
    if session.ending:
        return
    made = generate(prompt, *arguments, **named)
    pieces = iter((made,)) if isinstance(made, str) else iter(made)
    try:
        for piece in pieces:
            release = session.feed(piece)
            yield release
            if release.ended:
                return
        yield session.finish()
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
