"""The compiled kernel and the numpy one give identical tokens, symbols, fingerprints and alignments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.kernel import reference
from provenance.lexing import languages, lexer
from provenance.lexing.fingerprints import LENGTH, PART

native = pytest.importorskip("provenance.kernel._native")
SIZE = 24
OWN = [path for path in sorted(Path(languages.__file__).parent.glob("*.py")) if path.name != "__init__.py"]
sources = st.text(alphabet="\"'`/*#\\-<!>$@ \t\n\rrRbuxe()[]{}=+,;:.01é", max_size=80)
families = st.sampled_from(sorted(languages.FAMILIES)).map(languages.FAMILIES.__getitem__)


def both(family: languages.Family) -> tuple[object, object]:
    tables = lexer.tables(family)
    return native.Lexer(*tables), reference.Lexer(*tables)  # type: ignore[arg-type]


@settings(max_examples=400)
@given(sources, families, st.integers(-1, 6))
def test_tokens_symbols_and_fingerprints_are_the_same(text: str, family: languages.Family, inside: int) -> None:
    compiled, readable = both(family)
    if inside >= 0 and (inside >= len(family.blocks) or family.blocks[inside].fence or family.blocks[inside].one):
        inside = -1
    source = text.encode()
    assert compiled.lex(source, inside) == readable.lex(source, inside)
    assert compiled.symbols(source, inside) == readable.symbols(source, inside)
    assert compiled.fingerprint_text(source, 5, 2) == readable.fingerprint_text(source, 5, 2)


@given(st.binary(max_size=300), families)
def test_any_bytes_are_lexed_the_same(source: bytes, family: languages.Family) -> None:
    compiled, readable = both(family)
    assert compiled.lex(source) == readable.lex(source)
    assert compiled.symbols(source) == readable.symbols(source)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_real_code_is_the_same_in_every_family(path: Path) -> None:
    source = path.read_bytes()
    for family in languages.FAMILIES.values():
        compiled, readable = both(family)
        symbols = compiled.symbols(source)
        assert symbols == readable.symbols(source)
        assert native.fingerprints(symbols, LENGTH, PART) == reference.fingerprints(symbols, LENGTH, PART)


@st.composite
def edited(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A part of a file with symbols deleted, repeated and changed, and a file."""
    files = st.sampled_from(OWN).map(lambda path: lexer.lexer("python").symbols(path.read_bytes()))
    document = draw(files)
    count = len(document) // SIZE
    first = draw(st.integers(0, count - 1))
    records = [
        document[at : at + SIZE]
        for at in range(first * SIZE, min(count, first + draw(st.integers(1, 120))) * SIZE, SIZE)
    ]
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(records)))
        match draw(st.sampled_from("drc")):
            case "d":
                del records[at : at + 5]
            case "r":
                records[at:at] = records[:3]
            case _ if at < len(records):
                records[at] = records[at][:8] + b"renamed!" + records[at][16:]
    return b"".join(records), draw(st.one_of(st.just(document), files))


@settings(max_examples=60)
@given(edited())
def test_alignments_are_the_same(case: tuple[bytes, bytes]) -> None:
    query, document = case
    assert native.align_symbols(query, document) == reference.align_symbols(query, document)


@pytest.mark.parametrize("kernel", [native, reference], ids=["native", "reference"])
def test_arguments_out_of_range_are_refused(kernel: object) -> None:
    made = kernel.Lexer(*lexer.tables(languages.GENERIC))  # type: ignore[attr-defined]
    for call in (
        lambda: kernel.fingerprints(b"x" * 23, 12, 4),  # type: ignore[attr-defined]
        lambda: kernel.fingerprints(b"", 0, 1),  # type: ignore[attr-defined]
        lambda: kernel.fingerprints(b"", 3, 4),  # type: ignore[attr-defined]
        lambda: kernel.align_symbols(b"x", b""),  # type: ignore[attr-defined]
        lambda: made.fingerprint_text(b"", 4, 0),
        lambda: made.lex(b"", 99),
    ):
        with pytest.raises(ValueError):
            call()
