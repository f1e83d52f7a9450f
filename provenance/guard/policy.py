"""What is done about copied text: rules over what is known of a span, the first that holds decides.

    observe      counted and recorded, nobody is told
    annotate     passed on, with its sources beside it
    redact       replaced by `Policy.marker`; the rest of the answer goes on
    stop         the answer ends before it
    regenerate   another sample is asked for, `Policy.attempts` times; then the answer ends before it
    block        forbidden while decoding where the guard sits in the decoder, otherwise as regenerate

An answer that ends early keeps what came before; only where that is nothing does `Policy.abstention` stand for it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from provenance.errors import ParameterError
from provenance.guard.licences import CLASSES, identifiers, licence_class
from provenance.guard.scanner import PromptRule
from provenance.verdict import DEFAULT_MIN_CHARS

Action = Literal["observe", "annotate", "redact", "stop", "regenerate", "block"]
ACTIONS: tuple[Action, ...] = get_args(Action)
OnError = Literal["open", "closed"]
Kind = Literal["exact", "layout", "unverified", "withdrawn"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Place = Literal["code", "prose"]
BLOCKING: frozenset[Action] = frozenset(("redact", "stop", "regenerate", "block"))
"""Actions that keep text from the reader: what they may strike has to be held back."""
ENDING: frozenset[Action] = frozenset(("stop", "regenerate", "block"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one span; lengths count normalised bytes.

    ``length``: its longest run. ``coverage``: share of the answer so far inside of such spans. ``kind``: ``exact`` and
    ``layout`` are verified on the corpus's texts, ``unverified`` is known from the filters alone, ``withdrawn`` stood
    in the corpus until its owner opted out. ``licenses`` and ``repositories`` are those of all its sources; empty
    where nobody looked.
    """

    length: int
    coverage: float = 0.0
    common: bool = False
    kind: Kind = "unverified"
    licenses: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    place: Place = "prose"
    language: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """An action, and what must hold of a span; an empty condition holds always.

    ``license_any``: some source's licence is of one of these classes, ids (``GPL-*`` matches) or custom lists;
    ``license_all``: every source's is. ``repositories``: some source's name matches.
    """

    name: str
    action: Action
    min_length: int = 0
    min_coverage: float = 0.0
    common: bool | None = None
    kinds: tuple[str, ...] = ()
    license_any: tuple[str, ...] = ()
    license_all: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    place: str = ""
    languages: tuple[str, ...] = ()

    @property
    def needs_sources(self) -> bool:
        """Tell whether the corpus must be asked who has a text."""
        return bool(self.license_any or self.license_all or self.repositories or {*self.kinds} & {"exact", "layout"})


@dataclass(frozen=True, slots=True)
class Choice:
    """What a policy says about a span: the action, the rule, and the reason in words without any of the text."""

    action: Action
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and settings; see `provenance.guard.policy_file` for files and presets.

    ``default`` is done where no rule holds. ``on_error``: what happens to text that the guard could not judge in
    ``budget_seconds``; it must be said where an action keeps text back. ``verify``: spans that no text of the corpus
    bears out are let go. ``allow``: repositories whose code may be repeated; with ``allow_when`` ``only`` a span must
    stand nowhere else. ``withdrawn``: what its owner took out of the corpus still counts. ``licenses``: custom lists.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    default: Action = "annotate"
    min_chars: int = DEFAULT_MIN_CHARS
    prompt: PromptRule = "given"
    verify: bool = False
    allow: tuple[str, ...] = ()
    allow_when: Literal["any", "only"] = "only"
    withdrawn: bool = True
    on_error: OnError | None = None
    budget_seconds: float = 2.0
    attempts: int = 2
    sources: int = 5
    marker: str = "[removed: text of the training corpus]"
    abstention: str = "No answer: every attempt repeated text of the corpus."
    licenses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `ParameterError` for a value out of range or a rule that means nothing."""
        for name, value, low, high in (
            ("min_chars", self.min_chars, 1, 1 << 16),
            ("budget_seconds", self.budget_seconds, 0.001, 3600),
            ("attempts", self.attempts, 0, 100),
            ("sources", self.sources, 0, 1000),
        ):
            if not low <= value <= high:
                raise ParameterError(f"policy {self.name}: {name} is {value}: it must be from {low} to {high}")
        for name, chosen, known in (
            ("default", self.default, ACTIONS),
            ("prompt", self.prompt, get_args(PromptRule)),
            ("allow_when", self.allow_when, ("any", "only")),
            ("on_error", self.on_error, (None, "open", "closed")),
        ):
            if chosen not in known:
                raise ParameterError(f"policy {self.name}: {name} is {chosen!r}: it must be one of {_listed(known)}")
        for rule in self.rules:
            self._require_sound(rule)
        if self.blocks and self.on_error is None:
            raise ParameterError(
                f"policy {self.name}: it keeps text back, so say what happens to text that could not be judged: "
                'on_error = "open" passes it on, "closed" does not'
            )

    @property
    def blocks(self) -> bool:
        """Tell whether some action keeps text back, so that text has to be held until it is judged."""
        return any(action in BLOCKING for action in self.actions)

    @property
    def actions(self) -> frozenset[Action]:
        """Return the actions that this policy can take."""
        return frozenset((self.default, *(rule.action for rule in self.rules)))

    @property
    def needs_sources(self) -> bool:
        """Tell whether a decision needs to know who has a text."""
        return self.verify or bool(self.allow) or any(rule.needs_sources for rule in self.rules)

    @property
    def needs_commonness(self) -> bool:
        """Tell whether a decision needs to know how common a text is."""
        return any(rule.common is not None for rule in self.rules)

    def choose(self, facts: Facts) -> Choice:
        """Return what is done about a span, and why."""
        if self.allow and facts.repositories:
            allowed = [_matches(each, self.allow) for each in facts.repositories]
            if any(allowed) if self.allow_when == "any" else all(allowed):
                return Choice("observe", "allow", described(facts, "allowed repository"))
        if self.verify and facts.kind == "unverified":
            return Choice("observe", "verify", described(facts, "stands in no text of the corpus"))
        for rule in self.rules:
            if self._holds(rule, facts):
                return Choice(rule.action, rule.name, described(facts))
        return Choice(self.default, "default", described(facts))

    def _holds(self, rule: Rule, facts: Facts) -> bool:
        return (
            facts.length >= rule.min_length
            and facts.coverage >= rule.min_coverage
            and (rule.common is None or rule.common == facts.common)
            and (not rule.kinds or facts.kind in rule.kinds)
            and (not rule.place or rule.place == facts.place)
            and (not rule.languages or facts.language in rule.languages)
            and (not rule.repositories or any(_matches(each, rule.repositories) for each in facts.repositories))
            and (not rule.license_any or any(self._licensed(each, rule.license_any) for each in facts.licenses))
            and (
                not rule.license_all
                or bool(facts.licenses)
                and all(self._licensed(each, rule.license_all) for each in facts.licenses)
            )
        )

    def _licensed(self, expression: str, wanted: Sequence[str]) -> bool:
        patterns = [pattern for each in wanted for pattern in self.licenses.get(each, (each,))]
        if licence_class(expression) in patterns or expression in patterns:
            return True
        return any(_matches(each, patterns) for each in identifiers(expression))

    def _require_sound(self, rule: Rule) -> None:
        where = f"policy {self.name}, rule {rule.name!r}"
        if rule.action not in ACTIONS:
            raise ParameterError(f"{where}: action is {rule.action!r}: it must be one of {_listed(ACTIONS)}")
        if not 0 <= rule.min_coverage <= 1:
            raise ParameterError(f"{where}: min_coverage is {rule.min_coverage}: it must be from 0 to 1")
        if rule.min_length < 0:
            raise ParameterError(f"{where}: min_length is {rule.min_length}: it must be 0 or more")
        for name, values, known in (("kinds", rule.kinds, KINDS), ("place", (rule.place,), ("", *get_args(Place)))):
            for value in values:
                if value not in known:
                    raise ParameterError(f"{where}: {name} has {value!r}: there is {_listed(known)}")
        for value in (*rule.license_any, *rule.license_all):
            # A misspelt class would silently be an id that no text has.
            if value not in self.licenses and value not in CLASSES and value.islower() and "*" not in value:
                raise ParameterError(
                    f"{where}: {value!r} is no class of licences ({_listed(CLASSES)}), no list of this policy and no "
                    "SPDX id"
                )


def _matches(value: str, patterns: Sequence[str]) -> bool:
    low = value.lower()
    return any(fnmatch.fnmatchcase(low, pattern.lower()) for pattern in patterns)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(str(each) for each in values if each)


def described(facts: Facts, verdict: str = "") -> str:
    """Return in words what is known of a span, after what was said of it; none of its text."""
    parts = [verdict] if verdict else []
    parts.append(f"{facts.length} normalised characters")
    parts.append({"unverified": "in the filter", "withdrawn": "withdrawn"}.get(facts.kind, f"{facts.kind} copy"))
    if facts.licenses:
        shown = ", ".join(f"{each} ({licence_class(each)})" for each in facts.licenses[:3])
        parts.append(shown + (" and others" if len(facts.licenses) > 3 else ""))
    parts.append("common" if facts.common else "uncommon")
    return "; ".join(parts)
