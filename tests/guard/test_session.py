"""What reaches the reader: nothing of a copy that a policy keeps back, all of the rest, and the truth about both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provenance.errors import EngineUnavailable
from provenance.guard.guarded import Guard, guarded
from provenance.guard.policy import Policy, Rule
from provenance.guard.policy_file import PRESETS
from provenance.guard.session import Session
from provenance.index import Index
from provenance.windows import check_floor

PROSE = "Surely, here comes what was wanted: \u00e4\U0001f986\r\n\r\n"
AFTER = "\n\nAnd a few words of explanation follow, which stand nowhere else in the world.\n"


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def run(guard: Guard, text: str, size: int = 5, prompt: str = "") -> tuple[str, Session]:
    session = guard.session(prompt)
    out = "".join(session.feed(piece).text for piece in pieces(text, size))
    return out + session.finish().text, session


def with_policy(index: Index, **settings: Any) -> Guard:
    return Guard(index, Policy(name="test", **settings))


def test_strict_lets_no_run_of_the_floor_out(
    corpus: Index, recitals: list[Any], corpus_texts: list[str], scan: Callable[..., list[int]]
) -> None:
    floor = check_floor(corpus.geometry, PRESETS["strict"].min_chars)
    said = {each.prompt: each for each in recitals}
    assert len(scan(corpus_texts, ["".join(each.pieces) for each in recitals], floor)) > 900
    with Guard(corpus, replace(PRESETS["strict"], attempts=0)) as guard:
        speak = guarded(lambda prompt: said[prompt].pieces, guard)
        answers = [speak(prompt) for prompt in said]
    assert scan(corpus_texts, [each.text for each in answers], floor) == []
    assert sum(each.ending in ("ended", "abstained") for each in answers) > 900
    for answer in answers:
        assert all(each.reason and each.rule for each in answer.decisions)


def test_nothing_past_the_floor_leaves_a_stream_at_any_moment(
    corpus: Index, recitals: list[Any], corpus_texts: list[str], scan: Callable[..., list[int]]
) -> None:
    floor = check_floor(corpus.geometry, PRESETS["strict"].min_chars)
    said = {each.prompt: each for each in recitals[:200]}
    with Guard(corpus, PRESETS["strict"]) as guard:
        seen = ["".join(guarded(lambda prompt: said[prompt].pieces, guard).stream(prompt)) for prompt in said]
    # What was released is never taken back, so that the whole of it is the most that was seen.
    assert scan(corpus_texts, seen, floor) == []


def test_harmless_answers_pass_unchanged(corpus: Index, function_of: Callable[[int], str]) -> None:
    with Guard(corpus, PRESETS["strict"]) as guard:
        for seed in range(1000, 1200):
            text = PROSE + function_of(seed) + AFTER
            out, session = run(guard, text)
            assert out == text and session.ending == "complete" and session.decisions == []


@pytest.mark.parametrize("size", [1, 4, 50, 10_000])
def test_annotations_lie_on_the_copied_text_in_every_unit(
    licensed: Index, licensed_rows: list[dict[str, str]], size: int
) -> None:
    copied = licensed_rows[1]["content"].rstrip()
    text = PROSE + copied.replace("\n", "\n  ") + AFTER
    with Guard(licensed) as guard:
        out, session = run(guard, text, size)
    assert out == text
    (decision,) = session.decisions
    (found,) = decision.evidence
    assert decision.action == "annotate" and decision.emitted
    assert text[found["start"] : found["end"]] == copied.replace("\n", "\n  ")
    assert text.encode()[found["start_byte"] : found["end_byte"]].decode() == copied.replace("\n", "\n  ")
    wide = text.encode("utf-16-le")
    assert wide[2 * found["start_utf16"] : 2 * found["end_utf16"]].decode("utf-16-le") == copied.replace("\n", "\n  ")
    assert found["start_line"] == 3
    assert found["sources"][0]["repository"] == "github.com/owner1/code" and found["licenses"] == ["GPL-3.0-only"]
    # The filter's span lies inside of the verified one, at most a stride short at either end.
    assert found["start"] <= decision.span.start <= found["start"] + 64 and decision.span.end <= found["end"]


@pytest.mark.parametrize(
    ("row", "passes"), [(0, True), (1, False), (2, False), (3, False), (4, False), (5, True), (6, True)]
)
def test_copyleft_keeps_back_what_is_uncommon_and_not_permissive(
    licensed: Index, licensed_rows: list[dict[str, str]], row: int, passes: bool
) -> None:
    text = PROSE + licensed_rows[row]["content"] + AFTER
    with Guard(licensed, PRESETS["copyleft"]) as guard:
        out, session = run(guard, text)
    assert (out == text) == passes
    (decision,) = session.decisions
    assert decision.action == ("annotate" if passes else "block")
    if not passes:
        assert out.startswith(PROSE.strip()) and len(out) < len(PROSE) + 64
        assert licensed_rows[row]["license"] in decision.reason and not decision.emitted


@pytest.mark.parametrize("size", [1, 6, 333, 10_000])
def test_redaction_takes_the_copy_alone_and_later_places_still_hold(
    licensed: Index, licensed_rows: list[dict[str, str]], size: int
) -> None:
    rules = (Rule(name="gpl", action="redact", license_any=("GPL-3.0-only",)),)
    gpl, mit = licensed_rows[1]["content"], licensed_rows[0]["content"].strip()
    text = PROSE + gpl + AFTER + mit + AFTER
    with with_policy(licensed, rules=rules, on_error="closed", marker="[\u00a7gone\u00a7]") as guard:
        out, session = run(guard, text, size)
    assert session.ending == "complete" and out.endswith(AFTER + mit + AFTER)
    removed, noted = session.decisions
    assert out[removed.span.start : removed.span.end] == "[\u00a7gone\u00a7]"
    assert out.encode()[removed.span.start_byte : removed.span.end_byte].decode() == "[\u00a7gone\u00a7]"
    assert noted.action == "annotate" and out[noted.evidence[0]["start"] : noted.evidence[0]["end"]] == mit
    assert len(out) < len(text) - len(gpl) + 64 + 32 + 8


def test_a_span_that_turns_forbidden_as_it_grows_is_ended_there(
    licensed: Index, licensed_rows: list[dict[str, str]]
) -> None:
    rules = (Rule(name="long", action="stop", min_length=400),)
    copied = licensed_rows[0]["content"]
    with with_policy(licensed, rules=rules, on_error="closed") as guard:
        out, session = run(guard, PROSE + copied)
    assert session.ending == "ended" and session.decisions[-1].rule == "long"
    assert 96 < len(out) - len(PROSE) < 400 + 32


def test_a_common_copy_streams_on_while_it_grows(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    text = licensed_rows[6]["content"].partition("\n")[2] * 1
    with Guard(licensed, PRESETS["copyleft"]) as guard:
        session = guard.session()
        waiting = written = 0
        for piece in pieces(text):
            written += len(piece)
            waiting += len(piece) - len(session.feed(piece).text)
            assert waiting <= 127 + max(written // 4, 32) + 64


def test_rules_know_code_from_prose(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    rules = (Rule(name="code", action="redact", place="code", languages=("python",)),)
    copied = licensed_rows[0]["content"]
    text = f"Here:\n```python\n{copied}```\nand as text:\n{licensed_rows[1]['content']}"
    with with_policy(licensed, rules=rules, on_error="open") as guard:
        out, session = run(guard, text)
    assert [(each.action, each.facts.place) for each in session.decisions] == [
        ("redact", "code"),
        ("annotate", "prose"),
    ]
    assert licensed_rows[1]["content"] in out and copied not in out


def test_my_own_repositories_are_allowed_only_where_nobody_else_has_it(
    licensed: Index, licensed_rows: list[dict[str, str]]
) -> None:
    strict = {"default": "stop", "on_error": "closed"}
    with with_policy(licensed, allow=("github.com/owner1/*",), **strict) as guard:
        out, session = run(guard, licensed_rows[1]["content"])
        assert out == licensed_rows[1]["content"] and session.decisions[0].rule == "allow"
        assert run(guard, licensed_rows[2]["content"])[1].ending == "ended"
    shared = licensed_rows[6]["content"].partition("\n")[2]
    with with_policy(licensed, allow=("github.com/many3/*",), **strict) as guard:
        assert run(guard, shared)[1].ending == "ended"
    with with_policy(licensed, allow=("github.com/many3/*",), allow_when="any", **strict) as guard:
        assert run(guard, shared)[1].ending == "complete"


def test_text_of_the_prompt_may_be_repeated(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    copied = licensed_rows[1]["content"]
    with Guard(licensed, PRESETS["strict"]) as guard:
        assert run(guard, copied, prompt=f"Explain this:\n{copied}")[0] == copied
        assert run(guard, copied, prompt="Explain this.")[1].ending == "ended"


def test_withdrawn_text_is_kept_back_and_never_shown(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], tmp_path: Path
) -> None:
    import shutil

    from indexer.withdrawal import withdraw

    shutil.copytree(licensed_folder, tmp_path / "index")
    withdraw(tmp_path / "index", repositories=["github.com/owner1/code"])
    records: list[dict[str, Any]] = []
    with Index.open(tmp_path / "index") as index:
        for name in ("copyleft", "strict"):
            with Guard(index, PRESETS[name], audit=lambda each: records.append(dict(each))) as guard:
                out, session = run(guard, PROSE + licensed_rows[1]["content"])
            (decision,) = session.decisions
            assert decision.facts.kind == "withdrawn" and "withdrawn" in decision.reason
            assert decision.action == "block" and decision.evidence == ()
            assert (
                "owner1" not in json.dumps(session.attribution()) + json.dumps(records) and len(out) < len(PROSE) + 64
            )
        with Guard(index, replace(PRESETS["strict"], withdrawn=False)) as guard:
            assert run(guard, PROSE + licensed_rows[1]["content"])[1].decisions == []


class _Broken:
    """An index whose texts cannot be read any more."""

    def __init__(self, index: Index, error: Exception | None = None, seconds: float = 0.0) -> None:
        self._index, self._error, self._seconds = index, error, seconds

    def __getattr__(self, name: str) -> Any:
        if name == "engine":
            time.sleep(self._seconds)
            if self._error is not None:
                raise self._error
        return getattr(self._index, name)


@pytest.mark.parametrize("on_error", ["open", "closed"])
@pytest.mark.parametrize(("error", "kind"), [(EngineUnavailable("gone"), "engine"), (KeyError("a bug"), "KeyError")])
def test_a_guard_that_fails_does_what_the_policy_says(
    licensed: Index, licensed_rows: list[dict[str, str]], on_error: Any, error: Exception, kind: str
) -> None:
    text = PROSE + licensed_rows[1]["content"] + AFTER
    broken: Any = _Broken(licensed, error)
    with Guard(broken, replace(PRESETS["copyleft"], on_error=on_error)) as guard:
        out, session = run(guard, text)
        assert guard.tally.decisions() == {("observe" if on_error == "open" else "stop", kind): 1}
    assert session.failure == kind == session.attribution()["failure"]
    assert (out == text) if on_error == "open" else (len(out) < len(PROSE) + 64 and session.ending == "failed")


@pytest.mark.parametrize("on_error", ["open", "closed"])
def test_a_check_that_takes_too_long_is_a_failure(
    licensed: Index, licensed_rows: list[dict[str, str]], on_error: Any
) -> None:
    text = licensed_rows[1]["content"]
    slow: Any = _Broken(licensed, None, 0.3)
    with Guard(slow, replace(PRESETS["copyleft"], on_error=on_error, budget_seconds=0.05)) as guard:
        out, session = run(guard, text)
    assert session.failure == "timeout" and (out == text) == (on_error == "open")


def test_an_index_closed_under_the_stream_is_a_failure(
    licensed_folder: Path, licensed_rows: list[dict[str, str]]
) -> None:
    text = PROSE + licensed_rows[1]["content"] + AFTER
    for on_error, ending in (("open", "complete"), ("closed", "failed")):
        index = Index.open(licensed_folder)
        policy: Any = replace(PRESETS["copyleft"], on_error=on_error)
        with Guard(index, policy) as guard:
            session = guard.session()
            out = session.feed(text[:60]).text
            index.close()
            out += "".join(session.feed(each).text for each in pieces(text[60:])) + session.finish().text
        assert session.ending == ending and (out == text) == (on_error == "open")


def test_the_audit_and_the_counters_hold_no_text(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    records: list[dict[str, Any]] = []
    copied = licensed_rows[1]["content"]
    secret = "hunter2-" + "correct horse battery staple"
    with Guard(licensed, PRESETS["copyleft"], audit=lambda each: records.append(dict(each))) as guard:
        run(guard, f"{secret}\n{copied}{secret}", prompt=secret)
        shown = json.dumps(records) + guard.tally.render()
    assert records and records[0]["action"] == "block" and records[0]["documents"]
    assert secret not in shown and not any(line.strip() in shown for line in copied.split("\n") if line.strip())


def test_regeneration_takes_the_first_sample_that_is_free(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    samples = [licensed_rows[1]["content"], licensed_rows[2]["content"], "a free answer"]
    drawn: list[str] = []

    def generate(prompt: str) -> str:
        drawn.append(prompt)
        return samples[len(drawn) - 1]

    with Guard(licensed, replace(PRESETS["copyleft"], attempts=2)) as guard:
        answer = guarded(generate, guard)("p")
        assert (answer.text, answer.ending, answer.attempts) == ("a free answer", "complete", 3)
        assert [each.action for each in answer.decisions] == ["block", "block"]
        drawn.clear()
        samples[2] = licensed_rows[3]["content"]
        answer = guarded(generate, guard)("p")
        assert answer.ending in ("ended", "abstained") and answer.attempts == 3
        drawn.clear()
        samples[1] = PROSE + "half an answer. " + licensed_rows[2]["content"]
        answer = guarded(generate, guard)("p")
        assert answer.ending == "ended" and answer.text.startswith(PROSE + "half an answer.")


def test_a_reader_who_leaves_ends_the_generation(licensed: Index) -> None:
    closed: list[bool] = []

    def generate(prompt: str) -> Any:
        try:
            while True:
                yield "some words of an answer that never ends "
        finally:
            closed.append(True)

    with Guard(licensed, PRESETS["strict"]) as guard:
        stream = guarded(generate, guard).stream("p")
        for _ in range(5):
            next(stream)
        stream.close()
    assert closed == [True]


def test_sessions_hold_little_of_a_long_answer(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    with Guard(licensed, PRESETS["copyleft"]) as guard:
        session = guard.session()
        most = 0
        for round_number in range(300):
            text = AFTER * 20 + (licensed_rows[0]["content"] if round_number % 10 == 0 else "")
            for piece in pieces(text, 97):
                session.feed(piece)
            most = max(most, len(session._recent) + len(session._held))
        assert most < 3 * 16_384


@pytest.mark.parametrize("preset", ["annotate", "copyleft"])
def test_a_copy_that_may_pass_is_seen_with_its_source_while_it_is_written(
    licensed: Index, licensed_rows: list[dict[str, str]], preset: str
) -> None:
    copied = licensed_rows[0]["content"].rstrip()
    text = PROSE + copied + AFTER
    with Guard(licensed, PRESETS[preset]) as guard:
        follow = guarded(lambda prompt: pieces(text, 4), guard).follow("say it")
        shown, steps = "", []
        while True:
            try:
                step = next(follow)
            except StopIteration as over:
                answer = over.value
                break
            shown += step.text
            steps.append((len(shown), step))
        assert guard.tally.decisions() == {("annotate", "default"): 1}
    assert shown == text == answer.text
    growing = [(length, step.growing[0]) for length, step in steps if step.growing]
    first, last = growing[0], growing[-1]
    # The first window may begin one stride behind the first character, and four characters come at a time.
    assert first[0] <= len(PROSE) + check_floor(licensed.geometry, guard.policy.min_chars) + 32 + 4
    for length, each in growing:
        assert each.emitted and each.action == "annotate" and len(PROSE) <= each.span.start < each.span.end <= length
        assert each.evidence[0]["sources"][0]["path"] == licensed_rows[0]["path"]
    (decided,) = answer.decisions
    # What copyleft has not judged yet is not shown yet: up to a quarter of the copy.
    waiting = 8 if preset == "annotate" else len(copied) // 4
    assert last[1].span.start == decided.span.start and decided.span.end - last[1].span.end <= waiting
    assert [step.growing for _, step in steps][-1] == ()


def test_coverage_counts_a_copy_once(licensed: Index, licensed_rows: list[dict[str, str]]) -> None:
    copied = licensed_rows[1]["content"].rstrip()
    text = copied + "\n" + "".join(f"{n} " for n in range(10_000, 10_000 + len(copied) // 3))
    rule = Rule("much", "redact", min_coverage=0.6)
    for size in (7, 100_000):
        with with_policy(licensed, rules=(rule,), on_error="open") as guard:
            out, session = run(guard, text, size)
            (decision,) = session.decisions
            # Seen piece by piece, the copy is all there is so far; seen whole, it is a third.
            assert (out != text) == (size == 7) and 0.2 < session.attribution()["coverage"] < 0.6
            assert decision.facts.coverage == pytest.approx(1.0 if size == 7 else 0.34, abs=0.1)


def test_an_index_whose_files_vanish_under_the_stream_serves_it_to_the_end(
    licensed_folder: Path, licensed_rows: list[dict[str, str]], tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "index"
    shutil.copytree(licensed_folder, folder)
    text = PROSE + licensed_rows[1]["content"] + AFTER
    with Index.open(folder) as index, Guard(index, PRESETS["copyleft"]) as guard:
        session = guard.session()
        session.feed(text[:60])
        shutil.rmtree(folder)
        ending = [session.feed(each).ended for each in pieces(text[60:])]
        # What was not opened yet cannot be: the policy fails closed.
        assert any(ending) and session.ending in ("ended", "failed")
