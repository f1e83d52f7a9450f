"""One answer on its way from the model to the reader.

    piece -> scanner -> spans that are finished, or grew -> facts -> policy -> what may be released

With a policy that keeps text back, text is released when no span can reach it any more, or when a span that is long
enough to be judged was judged and may pass. A span that goes on growing is judged again, each time it has grown by a
quarter, and what is new in it waits until then. So of a copy that ends an answer the reader has seen at most what
stands before its first window.
With any other policy text is released at once, and decisions follow.
A session that is *followed* judges growing spans too, whatever the policy, so that somebody who watches sees a copy and
its sources while it is written.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from provenance.errors import ProvenanceError
from provenance.guard.decisions import Decision
from provenance.guard.evidence import Evidence, Excerpt, move, moved
from provenance.guard.fences import Fences
from provenance.guard.fim import read_on
from provenance.guard.policy import BLOCKING, ENDING, Choice, Facts, described
from provenance.guard.positions import Position, advanced
from provenance.guard.scanner import OpenSpan, Scan, Scanner
from provenance.records import Span

if TYPE_CHECKING:
    from provenance.guard.guarded import Guard

_LONGEST_EXCERPT = 16_384
"""Code points of a span that are looked up; of a longer one its end."""
_LEAST_STEP, _LARGEST_STEP = 32, 512
"""Normalised bytes by which a span has to grow before it is judged again."""
_AROUND = 256
"""Code points before and behind a span that are looked up with it: a copy begins before its first window."""

_SHORT = 48
"""Code points that cannot open a span and make it long enough to be looked up."""

Ending = Literal["", "complete", "ended", "failed"]


class Release(NamedTuple):
    """What may go to the reader now, and what was decided since. ``ended``: nothing will follow."""

    text: str
    decisions: tuple[Decision, ...] = ()
    ended: bool = False


@dataclass(slots=True)
class _Review:
    """A growing span that was judged and may pass: up to where, and at which length it is judged again."""

    cleared: Position
    again: int
    choice: Choice
    evidence: Evidence


class Session:
    """Guards one answer; for one thread at a time."""

    def __init__(self, guard: Guard, prompt: str = "", answer: str | None = None, *, followed: bool = False) -> None:
        """Begin an answer to ``prompt``; ``answer`` is its id in the audit, ``followed``: `growing` is looked at.

        ``judged`` counts how often a copy was judged.
        """
        self.id = answer or secrets.token_hex(8)
        self.decisions: list[Decision] = []
        self.ending: Ending = ""
        self.judged = 0
        self._guard = guard
        self._policy = guard.policy
        self._holds = guard.policy.blocks
        self._followed = followed
        self._scan: Scan | None = None
        self._scanner: Scanner | None = None
        self._fences = Fences()
        self._held = ""
        self._out: list[str] = []
        self._released = Position()
        self._shift = Position()
        self._recent = ""
        self._recent_at = Position()
        self._reviews: dict[int, _Review] = {}
        self._struck = -1
        self._open = False
        self._copied = 0
        self._failure: str | None = None
        try:
            self._scanner = Scanner(
                guard.index,
                min_chars=guard.policy.min_chars,
                prompt=read_on(prompt),
                rule=guard.policy.prompt,
                withdrawn=guard.policy.withdrawn,
            )
        except Exception as error:  # whatever fails in the guard, the policy says what it means for the answer
            self._fail(error, self.decisions)
            guard.record(self, self.decisions[0])

    @property
    def floor(self) -> int | None:
        """Return the shortest copy that is certain to be noticed, in normalised bytes."""
        return self._scanner.floor if self._scanner else None

    @property
    def failure(self) -> str | None:
        """Return the kind of the failure that kept the guard from judging, if one did."""
        return self._failure

    @property
    def growing(self) -> tuple[Decision, ...]:
        """Return what would be decided of the copies in the text that was released, were they to end here.

        Their evidence is that of the last time they were judged. Nothing of them is counted or recorded yet.
        """
        if self._scan is None or self.ending:
            return ()
        found = []
        for span in self._scan.growing:
            review = self._reviews.get(span.start)
            if review is None or review.choice.action == "observe" or self._striking(span):
                continue
            last = self._released if span.last.code_point > self._released.code_point else span.last
            if last.code_point > span.first.code_point:
                place = _place(_add(span.first, self._shift), _add(last, self._shift))
                found.append(self._decision(review.choice, review.evidence, place, emitted=True))
        return tuple(found)

    def quiet(self, piece: str) -> bool:
        """Tell whether feeding a piece is a matter of microseconds: it is short, and no span is open."""
        return not self._open and len(piece) < _SHORT

    def feed(self, piece: str) -> Release:
        """Return what the next piece of the answer lets out."""
        return self._step(piece, over=False)

    def finish(self) -> Release:
        """Return the rest of the answer."""
        return self._step("", over=True)

    def attribution(self) -> dict[str, Any]:
        """Return the machine-readable account of the answer; ranges count the text that was passed on."""
        index = self._guard.index.describe()
        growing = {"growing": [each.as_dict() for each in self.growing]} if self._followed else {}
        return {
            "schema_version": 1,
            "id": self.id,
            "policy": self._policy.name,
            "index": {"name": index["name"], "digest": index["digest"], "corpus": index["corpus"]},
            "floor": self.floor,
            "ending": self.ending,
            "failure": self._failure,
            "coverage": self._coverage(),
            "spans": [each.as_dict() for each in self.decisions if each.action != "observe"],
            "observed": sum(each.action == "observe" for each in self.decisions),
            **growing,
        }

    def _step(self, piece: str, *, over: bool) -> Release:
        if self.ending:
            return Release("", ended=True)
        made: list[Decision] = []
        self._held += piece
        if self._scanner is not None:
            self._recent += piece
            try:
                scan = self._scanner.finish() if over else self._scanner.feed(piece)
                self._fences.feed(piece)
                self._judge(scan, self._scanner, made, over=over)
            except Exception as error:  # as above
                self._fail(error, made)
        else:
            self._let_out_all()
        if over and not self.ending:
            self.ending = "complete"
        for each in made:
            self._guard.record(self, each)
        self.decisions += made
        text = "".join(self._out)
        self._out.clear()
        return Release(text, tuple(made), bool(self.ending))

    def _judge(self, scan: Scan, scanner: Scanner, made: list[Decision], *, over: bool) -> None:
        """Judge what the scanner brought, and let out what may go."""
        least = self._policy.min_chars
        self._scan = scan
        self._open = bool(scan.growing)
        for span in scan.finished:
            review = self._review_of(span)
            self._reviews.pop(span.start, None)
            if span.longest < least:
                continue
            self._copied += span.end - span.start
            if self._striking(span):
                self._strike_to(span.last)
                self._struck = -1
            else:
                self._act(span, made, review)
            if self.ending:
                return
        if self._holds or self._followed:
            for span in scan.growing:
                review = self._review_of(span)
                if span.longest < least:
                    continue
                if self._striking(span):
                    self._strike_to(span.last)
                elif review is None or span.end - span.start >= review.again:
                    self._act(span, made, review, growing=True)
                    if self.ending:
                        return
        self._forget(scan)
        self._let_out(self._cleared(scan) if self._holds and not over else scanner.written)

    def _striking(self, span: OpenSpan) -> bool:
        return span.start <= self._struck < span.end

    def _review_of(self, span: OpenSpan) -> _Review | None:
        """Return the review of a span, or of those that grew together into it."""
        inside = [start for start in self._reviews if span.start <= start < span.end]
        found = [self._reviews.pop(start) for start in inside]
        if found:
            self._reviews[span.start] = max(found, key=lambda each: each.cleared)
        return self._reviews.get(span.start)

    def _act(self, span: OpenSpan, made: list[Decision], review: _Review | None, *, growing: bool = False) -> None:
        """Judge a span and do what the policy says."""
        evidence, choice = self._examined(span, growing=growing)
        self.judged += 1
        if choice.action not in BLOCKING:
            if growing:
                length = span.end - span.start
                step = min(max(length // 4, _LEAST_STEP), _LARGEST_STEP)
                # What only passes because it is short yet may turn out to be a copy: the reader waits for its floor.
                whole = replace(evidence.facts, length=max(evidence.facts.length, self.floor or 0))
                cleared = span.first if self._policy.choose(whole).action in BLOCKING else span.last
                self._reviews[span.start] = _Review(cleared, length + step, choice, evidence)
            else:
                made.append(self._decision(choice, evidence, moved(span.span, self._shift), emitted=True))
            return
        # Whatever was let out before stays out; what follows of the span is kept.
        self._let_out(max(span.first, review.cleared) if review else span.first)
        here = _add(self._released, self._shift)
        if choice.action in ENDING:
            made.append(self._decision(choice, evidence, _place(here), emitted=False))
            self._end("ended")
            return
        marker = self._policy.marker
        after = advanced(here, marker)
        made.append(self._decision(choice, evidence, _place(here, after), emitted=False))
        self._out.append(marker)
        self._shift = _sub(after, self._released)
        if growing:
            self._struck = span.start
        self._strike_to(span.last)

    def _examined(self, span: OpenSpan, *, growing: bool) -> tuple[Evidence, Choice]:
        """Return what is known of a span, and what the policy says about it."""
        block = self._fences.block(span.first.code_point, span.last.code_point)
        facts = Facts(
            length=span.longest,
            coverage=self._coverage(span.end - span.start if growing else 0),
            place="code" if block else "prose",
            language=block.language if block else "",
        )
        policy, examine = self._policy, self._guard.examiner.examine
        excerpt = self._excerpt(span)
        evidence = examine(excerpt, facts, sources=policy.needs_sources)
        choice = policy.choose(evidence.facts)
        if choice.action != "observe" and not policy.needs_sources:
            # The decision is made; who has the text is for those who read it, and may fail.
            with suppress(ProvenanceError):
                evidence = examine(excerpt, evidence.facts, sources=True)
                choice = replace(choice, reason=described(evidence.facts))
        spans = tuple(_moved_fields(each, self._shift) for each in evidence.spans)
        return replace(evidence, spans=spans), choice

    def _excerpt(self, span: OpenSpan) -> Excerpt:
        base = self._recent_at.code_point
        start = max(0, span.first.code_point - base)
        end = span.last.code_point - base
        start = max(start, end - _LONGEST_EXCERPT)
        low = max(0, start - _AROUND)
        text = self._recent[low : end + _AROUND]
        return Excerpt(text, advanced(self._recent_at, self._recent[:low]), start - low, end - low)

    def _decision(self, choice: Choice, evidence: Evidence, span: Span, *, emitted: bool) -> Decision:
        shown = () if evidence.facts.kind == "withdrawn" else evidence.spans
        common = replace(span, common=evidence.facts.common)
        return Decision(choice.action, choice.rule, choice.reason, common, emitted, evidence.facts, shown)

    def _fail(self, error: Exception, made: list[Decision]) -> None:
        """Do what the policy says about text that could not be judged."""
        self._failure = error.kind if isinstance(error, ProvenanceError) else type(error).__name__
        self._scanner = self._scan = None
        closed = self._policy.on_error == "closed"
        action: Literal["stop", "observe"] = "stop" if closed else "observe"
        reason = f"the guard could not judge ({self._failure}); on_error is {self._policy.on_error or 'open'}"
        here = _place(_add(self._released, self._shift))
        made.append(Decision(action, "on_error", reason, here, not closed, Facts(length=0), failure=self._failure))
        if closed:
            self._end("failed")
        else:
            self._let_out_all()

    def _end(self, ending: Ending) -> None:
        self.ending = ending
        self._held = self._recent = ""

    def _coverage(self, growing: int = 0) -> float:
        """Return the share of copies in the answer, with one that is ``growing`` bytes long so far."""
        total = self._scanner.normalised if self._scanner else 0
        return min(1.0, (self._copied + growing) / total) if total else 0.0

    def _cleared(self, scan: Scan) -> Position:
        """Return how far text may be let out: what is settled, and what was judged of the first open span."""
        if not scan.growing:
            return scan.settled
        first = scan.growing[0]
        review = self._reviews.get(first.start)
        if review is None or first.longest < self._policy.min_chars or scan.settled < first.first:
            return scan.settled
        return max(scan.settled, review.cleared)

    def _let_out(self, limit: Position) -> None:
        self._out.append(self._taken(limit))

    def _let_out_all(self) -> None:
        """Let out text of which no place is asked any more."""
        self._out.append(self._held)
        self._held = ""

    def _strike_to(self, limit: Position) -> None:
        """Drop held text up to a place."""
        before = self._released
        self._taken(limit)
        self._shift = _sub(self._shift, _sub(self._released, before))

    def _taken(self, limit: Position) -> str:
        count = limit.code_point - self._released.code_point
        if count <= 0:
            return ""
        text, self._held = self._held[:count], self._held[count:]
        self._released = limit
        return text

    def _forget(self, scan: Scan) -> None:
        """Keep what open spans, and those that may begin, need to be looked up."""
        if len(self._recent) <= _AROUND:
            return
        settled = scan.settled.code_point
        first = scan.growing[0].first.code_point if scan.growing else settled
        keep = max(min(first, settled) - _AROUND, self._written() - _LONGEST_EXCERPT - _AROUND)
        drop = keep - self._recent_at.code_point
        if drop > len(self._recent) // 2 and drop > _AROUND:
            if self._recent[drop - 1 : drop + 1] == "\r\n":
                drop -= 1
            self._recent_at = advanced(self._recent_at, self._recent[:drop])
            self._recent = self._recent[drop:]

    def _written(self) -> int:
        return self._recent_at.code_point + len(self._recent)


def _place(start: Position, end: Position | None = None) -> Span:
    end = end or start
    return Span(
        start=start.code_point,
        end=end.code_point,
        start_byte=start.byte,
        end_byte=end.byte,
        start_utf16=start.utf16,
        end_utf16=end.utf16,
        start_line=start.lines + 1,
        end_line=end.lines + 1,
    )


def _add(one: Position, other: Position) -> Position:
    return Position(*(a + b for a, b in zip(one, other, strict=True)))


def _sub(one: Position, other: Position) -> Position:
    return Position(*(a - b for a, b in zip(one, other, strict=True)))


def _moved_fields(fields: Any, by: Position) -> dict[str, Any]:
    copy = dict(fields)
    move(copy, by)
    return copy
