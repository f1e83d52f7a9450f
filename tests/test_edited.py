"""Edited copies of real functions through `trace`: what is found, where on both sides, and what was renamed."""

from __future__ import annotations

import argparse
import difflib
import inspect
import io
import keyword
import random
import re
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.build import build
from indexer.sources import open_source
from indexer.sources.base import SourceOptions
from indexer.withdrawal import withdraw
from provenance.errors import ParameterError
from provenance.index import Index
from provenance.parameters import Parameters
from provenance.records import Span
from provenance.reports import contract
from provenance.search.elasticsearch.cluster import ClusterSettings
from provenance.traced import LEVELS, TracedSpan
from provenance.tracing import TraceResult, trace
from provenance.verification import Limits

WRAP = textwrap.TextWrapper._wrap_chunks
MATCHER = difflib.SequenceMatcher.find_longest_match
USAGE = argparse.HelpFormatter._format_usage
UNRELATED = """
def settle(tariff, quarter):
    owed = {}
    for meter in tariff.meters:
        if meter.sealed is False and quarter in meter.readings:
            owed[meter.serial] = meter.readings[quarter] ** 2 // 7
        elif not meter.readings:
            raise LookupError(meter.serial)
    return sorted(owed.items(), key=lambda pair: pair[1] % 13)
"""


@pytest.fixture(scope="module")
def demo(demo_index: Path) -> Iterator[Index]:
    with Index.open(demo_index) as index:
        yield index


def source_of(function: Callable[..., Any]) -> str:
    return textwrap.dedent(inspect.getsource(function)).rstrip()


def bare(code: str) -> str:
    """Return code without docstrings and comments, which no renaming touches."""
    code = re.sub(r'(?m)^ *"""(?s:.*?)"""\n', "", code)
    return "\n".join(line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def uncommented(code: str) -> str:
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "# other words stand here"
    return "\n".join(lines)


def renamed(code: str) -> tuple[str, dict[str, str]]:
    """Return code with every identifier replaced, and the table: new name by old."""
    table: dict[str, str] = {}
    lines = code.splitlines(keepends=True)
    spots = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string) and token.string != "self":
            table.setdefault(token.string, f"thing_{len(table)}")
            spots.append(token)
    for token in reversed(spots):
        row, column = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:column] + table[token.string] + line[column + len(token.string) :]
    return "".join(lines), table


def with_statements(code: str, every: int) -> str:
    """Return code with a statement of its own before every n-th line that begins one at the same depth."""
    found = []
    for number, line in enumerate(code.splitlines()):
        indent = line[: len(line) - len(line.lstrip())]
        begins = line.strip() and number > 2 and line.lstrip().split(" ")[0] in ("if", "for", "while", "return", "self")
        if begins and number % every == 0:
            found.append(f"{indent}audit_{number} = {number} * 3")
        found.append(line)
    return "\n".join(found)


def edited_spans(result: TraceResult) -> list[TracedSpan]:
    return [each for each in result.spans if each.kind not in ("exact", "layout")]


def check_range(text: str, span: Span) -> str:
    """Return the text of a range after comparing its units with each other."""
    part = text[span.start : span.end]
    assert text.encode()[span.start_byte : span.end_byte] == part.encode()
    assert text.encode("utf-16-le")[2 * span.start_utf16 : 2 * span.end_utf16].decode("utf-16-le") == part
    assert text.count("\n", 0, span.start) + 1 == span.start_line
    assert text.count("\n", 0, span.end) + 1 == span.end_line
    return part


def check_sides(index: Index, text: str, traced: TracedSpan) -> None:
    """Every range lies in its text, blocks ascend on both sides inside of the whole ranges."""
    assert check_range(text, traced.span).strip()
    assert traced.sources and traced.kind == traced.sources[0].level
    for match in traced.sources:
        ((ref, source), *_) = index.find(match.document)
        stored = index.text(ref).decode()
        assert source == match.source and check_range(stored, match.span).strip()
        assert 0 < match.similarity <= 1
        ours = theirs = 0
        for block, there in match.aligned:
            check_range(text, block)
            check_range(stored, there)
            assert ours <= block.start < block.end and theirs <= there.start < there.end
            ours, theirs = block.end, there.end
        if match.aligned:
            assert match.span.start <= match.aligned[0][1].start and theirs <= match.span.end


@pytest.mark.parametrize("function", [WRAP, MATCHER, USAGE])
def test_other_comments_are_one_span_over_what_runs_leave_out(demo: Index, function: Callable[..., Any]) -> None:
    text = "# 😀\n" + uncommented(source_of(function)).replace("\n", "\n\n")
    result = trace(demo, text, min_chars=500)
    found = [each for each in edited_spans(result) if each.kind == "comments"]
    assert found
    for each in found:
        check_sides(demo, text, each)
        assert each.similarity == 1.0 and not each.span.common
        assert each.sources[0].source.path == f"{function.__module__}.py"
        assert not each.sources[0].renamings


@pytest.mark.parametrize("function", [WRAP, MATCHER, USAGE])
def test_a_renamed_copy_comes_with_the_table_of_its_names(demo: Index, function: Callable[..., Any]) -> None:
    text, table = renamed(bare(source_of(function)))
    result = trace(demo, text)
    assert result.verdict == "match" and result.coverage > 0.8 and result.levels == LEVELS
    found = [each for each in result.spans if each.kind == "renamed"]
    assert found
    for each in found:
        check_sides(demo, text, each)
        match = each.sources[0]
        assert (match.source.repository, match.source.path) == ("cpython", f"{function.__module__}.py")
        assert match.similarity > 0.95
        listed = {one.document: one.query for one in match.renamings}
        part = text[each.span.start : each.span.end]
        assert listed and listed.items() <= table.items()
        assert all(0 < one.times <= part.count(one.query) for one in match.renamings)
        assert match.span.start_line >= inspect.getsourcelines(function)[1]


@pytest.mark.parametrize("function", [WRAP, MATCHER, USAGE])
def test_inserted_statements_leave_blocks_that_correspond(demo: Index, function: Callable[..., Any]) -> None:
    text, _ = renamed(with_statements(source_of(function), 4))
    found = [each for each in trace(demo, text).spans if each.kind == "edited"]
    assert found
    for each in found:
        check_sides(demo, text, each)
        match = each.sources[0]
        assert match.source.path == f"{function.__module__}.py"
        assert len(match.aligned) > 1 and match.similarity < 1
        assert "audit" not in "".join(text[ours.start : ours.end] for ours, _ in match.aligned)


def test_two_copies_in_one_short_text_are_two_spans(demo: Index) -> None:
    first = renamed(bare(source_of(textwrap.TextWrapper._handle_long_word)))[0]
    second = renamed(bare(source_of(difflib.SequenceMatcher._SequenceMatcher__chain_b)))[0]
    spans = trace(demo, f"{first}\n\n{second}").spans
    assert [each.sources[0].source.path for each in spans] == ["textwrap.py", "difflib.py"]


def test_a_renamed_file_is_found_along_its_length_in_few_spans(demo: Index) -> None:
    text, _ = renamed(bare(inspect.getsource(textwrap)))
    result = trace(demo, text, path="mine.py")
    assert result.complete and result.coverage > 0.6
    assert all(match.source.path == "textwrap.py" for each in result.spans for match in each.sources[:1])
    assert len(result.spans) < 30
    bounded = trace(demo, text, limits=Limits(units=2))
    assert not bounded.complete and 0 < len(bounded.spans) < len(result.spans)
    for before, after in zip(result.spans, result.spans[1:], strict=False):
        assert before.span.start <= after.span.start


def test_code_that_is_not_there_is_not_found(demo: Index) -> None:
    result = trace(demo, UNRELATED)
    assert result.verdict == "no_match" and not result.spans


def test_runs_are_what_they_are_without_edited_copies(demo: Index) -> None:
    lines = source_of(USAGE).splitlines()
    text = "\n".join([*lines[:25], "# mine", *renamed("\n".join(lines))[0].splitlines()])
    whole, alone = trace(demo, text), trace(demo, text, levels=("exact", "layout"))
    assert [each for each in whole.spans if each.contents is None] == list(alone.spans)
    assert edited_spans(whole) and alone.levels == ("exact", "layout")
    assert whole.coverage > alone.coverage
    only = trace(demo, text, levels=["renamed"])
    assert {each.kind for each in only.spans} == {"renamed"}
    assert [each.kind for each in trace(demo, inspect.getsource(USAGE)).spans] == ["exact"]


@pytest.mark.parametrize("levels", [[], ["exact", "nearly"], ["Exact"]])
def test_levels_that_there_are_not_are_refused(demo: Index, levels: list[str]) -> None:
    with pytest.raises(ParameterError, match="exact, layout, comments, renamed, edited"):
        trace(demo, "text", levels=levels)


def test_a_span_has_as_many_characters_as_asked_for(demo: Index) -> None:
    text, _ = renamed(source_of(WRAP))
    size = max(each.span.end - each.span.start for each in trace(demo, text).spans)
    assert not trace(demo, text, min_chars=size + 1).spans


def test_what_is_excluded_or_withdrawn_is_nobody_s_copy(
    demo: Index, demo_sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = renamed(source_of(WRAP))
    assert trace(demo, text).spans
    assert not trace(demo, text, exclude_repositories=["cpyth*"]).spans
    folder = tmp_path / "index"
    build([open_source(str(demo_sources), SourceOptions(each_folder=True))], folder, workers=1)
    withdraw(folder, repositories=["cpython"])
    with Index.open(folder) as index:
        assert trace(index, text).verdict == "no_match"


def test_an_index_without_fingerprints_says_what_it_did_not_look_for(demo_sources: Path, tmp_path: Path) -> None:
    text, _ = renamed(bare(source_of(WRAP)))
    folder = tmp_path / "index"
    sources = [open_source(str(demo_sources), SourceOptions(each_folder=True))]
    build(sources, folder, workers=1, parameters=Parameters(fingerprints="none"))
    with Index.open(folder) as index:
        result = trace(index, text)
        assert result.levels == ("exact", "layout") and result.verdict == "no_match"
        assert contract.trace_result("-", result)["levels"] == ["exact", "layout"]
        assert trace(index, source_of(WRAP)).verdict == "match"


def test_what_many_repositories_have_is_common(demo_sources: Path, tmp_path: Path) -> None:
    code = bare(source_of(WRAP))
    for number in range(12):
        folder = tmp_path / "sources" / f"repository{number}"
        folder.mkdir(parents=True)
        (folder / "module.py").write_text(f"NUMBER = {number}\n\n\n{code}\n")
    folder = tmp_path / "index"
    options = SourceOptions(each_folder=True)
    sources = [open_source(str(place), options) for place in (demo_sources, tmp_path / "sources")]
    build(sources, folder, workers=1, parameters=Parameters(common_repositories=5))
    with Index.open(folder) as index:
        result = trace(index, renamed(code)[0], sources_limit=3)
    (found,) = result.spans
    assert found.kind == "renamed" and found.span.common and len(found.sources) == 3
    assert found.repositories >= 5 and found.contents is not None and found.contents >= 12


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), extra=st.text(max_size=30))
def test_whatever_is_asked_ranges_hold_on_both_sides(demo: Index, seed: int, extra: str) -> None:
    generator = random.Random(seed)
    lines = source_of(generator.choice([WRAP, MATCHER, USAGE])).splitlines()
    kept = [line for line in lines if generator.random() < 0.9]
    text = renamed_loosely("\n".join(kept), generator) + "\n" + extra.replace("\r", "")
    result = trace(demo, text)
    for each in edited_spans(result):
        if not set("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") & set(text):
            check_sides(demo, text, each)


def renamed_loosely(code: str, generator: random.Random) -> str:
    words = sorted({word for word in code.replace("(", " ").split() if word.isidentifier() and len(word) > 3})
    for word in generator.sample(words, len(words) // 3):
        code = code.replace(word, f"{word[::-1]}ß")
    return code


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 30_000, '"' * 30_000, "/*" * 15_000, "a " * 30_000, "if " * 15_000, "\n" * 30_000, "`${" * 10_000),
        *("x = 1\n" * 8_000, "\ufffd\x00" * 10_000, "'''\n" * 9_000, "def f(x):\n" * 5_000, "<a b='" * 9_000),
        *("public static " * 4_000, "{[(" * 12_000, "#" * 30_000, "r#" * 20_000, "\\" * 30_000, " \t" * 30_000),
    ],
)
def test_hostile_text_is_answered(demo: Index, text: str) -> None:
    for path in (None, "a.py", "a.ts", "a.rs"):
        assert trace(demo, text, path=path, limits=Limits(units=5)).verdict in ("no_match", "match", "too_short")


def test_a_cluster_gives_the_same_answers(
    demo: Index, demo_sources: Path, tmp_path: Path, elasticsearch_node: Any
) -> None:
    folder = tmp_path / "index"
    sources = [open_source(str(demo_sources), SourceOptions(each_folder=True))]
    parameters = Parameters(engine="elasticsearch")
    build(sources, folder, workers=1, parameters=parameters, cluster=ClusterSettings(elasticsearch_node.url))
    with Index.open(folder) as index:
        for function in (WRAP, MATCHER, USAGE, argparse.ArgumentParser.parse_known_args, textwrap.dedent):
            for change in (bare, uncommented, lambda code: with_statements(code, 3)):
                text = renamed(change(source_of(function)))[0]
                here, there = (contract.trace_result("-", trace(each, text)) for each in (demo, index))
                assert here["spans"] == there["spans"] and here["verdict"] == there["verdict"]
