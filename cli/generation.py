"""Asking a model in front of people and programs: what `generate` reads, shows and returns."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any, Protocol

from cli.inputs import Failure, Inputs
from cli.judging import EXIT_FAILED, EXIT_FOUND
from cli.state import FailOn, Format
from provenance.errors import InputError, ParameterError
from provenance.guard.decisions import Decision
from provenance.guard.fim import fim_prompt
from provenance.guard.guarded import Answer, Guard, Progress, guarded
from provenance.reports import contract
from provenance.text import clean

EXIT_INTERRUPTED = 130


class View(Protocol):
    """Shows an answer while it comes."""

    def step(self, progress: Progress) -> None:
        """Show what came."""

    def over(self, answer: Answer, interrupted: bool) -> None:
        """Show what is said at the end."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def question(prompt: str | None, prompt_file: str | None, suffix_file: str | None) -> str:
    """Return the prompt, with the form of StarCoder where something follows. Raises `InputError`, `ParameterError`."""
    if prompt is not None and prompt_file is not None:
        raise ParameterError("the prompt is named twice: as an argument and with --prompt-file")
    if prompt is None or prompt == "-":
        prompt = _read(prompt_file or "-")
    prompt = clean(prompt)  # bytes of the command line that are no UTF-8
    if suffix_file is not None:
        return fim_prompt(prompt, _read(suffix_file))
    if not prompt.strip():
        raise InputError("the prompt is empty; say what the model is to go on from")
    return prompt


def _read(path: str) -> str:
    if path != "-" and os.path.isdir(path):
        raise InputError(f"{path}: this is a folder; name a file")
    (text,) = Inputs((path,))
    if isinstance(text, Failure):
        raise text.error
    return text.utf8.decode("utf-8", "replace")


def ask(
    generate: Callable[[str], Iterator[str]], guard: Guard, prompt: str, *, model: str, format: Format, fail_on: FailOn
) -> int:
    """Let a model answer, show it, and return the exit code."""
    view = _view(guard, model, format)
    interrupts = _Interrupts()
    follow = guarded(lambda asked: interrupts.bounded(generate(asked)), guard).follow(prompt)
    with closing(follow), closing(view), interrupts.caught():
        while True:
            try:
                view.step(next(follow))
            except StopIteration as over:
                answer: Answer = over.value
                break
        view.over(answer, interrupts.stopped)
    if interrupts.stopped:
        return EXIT_INTERRUPTED
    if answer.ending == "failed":
        return EXIT_FAILED
    return EXIT_FOUND if any(_fails(each, fail_on) for each in answer.decisions) else 0


def _fails(decision: Decision, fail_on: FailOn) -> bool:
    shown = decision.emitted and decision.action == "annotate"
    return shown and (fail_on is FailOn.any or fail_on is FailOn.match and not decision.facts.common)


class _Interrupts:
    """Lets Ctrl-C end the model's part alone: what it has written is judged and shown as if it had ended there."""

    def __init__(self) -> None:
        self.stopped = False
        self._waiting = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Receive SIGINT; a second one ends the process as usual."""
        before = signal.signal(signal.SIGINT, self._asked)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.stopped or self._waiting:
            self.stopped, self._waiting = True, False
            raise KeyboardInterrupt
        self.stopped = True

    def bounded(self, pieces: Iterator[str]) -> Iterator[str]:
        """Yield the pieces up to an interruption."""
        try:
            while not self.stopped:
                self._waiting = True
                piece = next(pieces, None)
                self._waiting = False
                if piece is None:
                    return
                yield piece
        except KeyboardInterrupt:
            if not self.stopped:
                raise
        finally:
            self._waiting = False
            close = getattr(pieces, "close", None)
            if close is not None:
                close()


def _view(guard: Guard, model: str, format: Format) -> View:
    if format is not Format.human:
        return _Machine(guard, model, lines=format is Format.jsonl)
    from cli.generation_view import Live, Plain

    return Live() if sys.stdout.isatty() else Plain()


class _Machine:
    """One JSON document at the end, or a line for every step and one for the whole."""

    def __init__(self, guard: Guard, model: str, *, lines: bool) -> None:
        self._head = {**contract.head(guard.index), "model": model}
        self._lines = lines
        if lines:
            print(contract.render_line(self._head), flush=True)

    def step(self, progress: Progress) -> None:
        if self._lines and (progress.text or progress.decisions or progress.growing):
            step = {
                "text": progress.text,
                "decisions": [each.as_dict() for each in progress.decisions],
                "growing": [each.as_dict() for each in progress.growing],
            }
            print(contract.render_line(step), flush=True)

    def over(self, answer: Answer, interrupted: bool) -> None:
        fields: dict[str, Any] = {
            "text": answer.text,
            "ending": answer.ending,
            "attempts": answer.attempts,
            "interrupted": interrupted,
            "attribution": answer.attribution,
        }
        if self._lines:
            print(contract.render_line({"answer": fields}), flush=True)
        else:
            print(contract.render({**self._head, "answer": fields}))

    def close(self) -> None:
        """Do nothing: there is no screen to restore."""
