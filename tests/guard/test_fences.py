"""Code blocks in answers, recognised piece by piece."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provenance.guard.fences import Fences

ANSWER = """Here is how:

```Python
def one():
    '''~~~ is no end'''
    return 1
```
and in a list

  1. so

     ~~~~ js title="x"
     ```
     two()
     ~~~
     ~~~~
That is all. ``` inside of a line is none.
```
open to the end
"""


def blocks(pieces: list[str]) -> list[tuple[str, str]]:
    fences = Fences()
    for piece in pieces:
        fences.feed(piece)
    text = "".join(pieces)
    return [(each.language, text[each.start : each.end]) for each in fences.blocks]


def test_blocks_are_what_stands_between_fences() -> None:
    assert blocks([ANSWER]) == [
        ("python", "def one():\n    '''~~~ is no end'''\n    return 1\n"),
        ("js", "     ```\n     two()\n     ~~~\n"),
        ("", "open to the end\n"),
    ]


@given(st.lists(st.integers(0, len(ANSWER)), max_size=30), st.sampled_from([ANSWER, ANSWER.replace("\n", "\r\n")]))
def test_cuts_change_nothing(places: list[int], text: str) -> None:
    ends = sorted({0, len(text), *(min(place, len(text)) for place in places)})
    pieces = [text[low:high] for low, high in zip(ends, ends[1:], strict=False)]
    assert blocks(pieces) == blocks([text])


def test_a_place_knows_its_block() -> None:
    fences = Fences()
    fences.feed(ANSWER)
    at = ANSWER.index("return 1")
    found = fences.block(at, at + 5)
    assert found is not None and found.language == "python"
    assert fences.block(0, 10) is None
    at = ANSWER.index("That is all")
    assert fences.block(at, at + 8) is None
