from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provenance.intervals import Intervals

ranges = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def holds(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


@given(st.lists(ranges, max_size=12))
def test_longest_keeps_what_no_other_range_holds(added: list[tuple[int, int]]) -> None:
    kept = Intervals()
    for start, end in added:
        kept.add_longest(start, end)
    distinct = set(added)
    assert list(kept) == sorted(a for a in distinct if not any(b != a and holds(b, a) for b in distinct))


@given(st.lists(ranges, max_size=12))
def test_shortest_keeps_what_holds_no_other_range(added: list[tuple[int, int]]) -> None:
    kept = Intervals()
    for start, end in added:
        kept.add_shortest(start, end)
    distinct = set(added)
    assert list(kept) == sorted(a for a in distinct if not any(b != a and holds(a, b) for b in distinct))


@given(st.lists(ranges, max_size=12), ranges)
def test_questions_agree_with_looking_at_every_member(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    kept = Intervals()
    for start, end in added:
        kept.add_longest(start, end)
    members = list(kept)
    around = [member for member in members if holds(member, asked)]
    within = [number for number, member in enumerate(members) if holds(asked, member)]
    assert kept.around(*asked) == (around[0] if around else None)
    assert kept.has_around(*asked) == bool(around)
    assert kept.has_within(*asked) == bool(within)
    assert list(kept.within(*asked)) == within
