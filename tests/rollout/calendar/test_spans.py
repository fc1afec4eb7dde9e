"""Sets of times as spans of seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optimizer.rollout.calendar.spans import Span, next_begin, span_at, to_datetime, to_seconds, union, within, without
from tests.rollout.small_rollouts import NOW

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5).map(union)


@given(SPANS, SPANS, st.integers(-1, 41))
def test_spans_are_sets_of_seconds(one: list[Span], other: list[Span], second: int) -> None:
    """Union, difference and intersection agree with sets; a span is found where a second lies in one."""

    def seconds(spans: list[Span]) -> set[int]:
        return {n for begin, end in spans for n in range(begin, end)}

    assert seconds(union([*one, *other])) == seconds(one) | seconds(other)
    assert seconds(without(one, other)) == seconds(one) - seconds(other)
    assert seconds(within(one, other)) == seconds(one) & seconds(other)
    assert (span_at(one, second) is not None) == (second in seconds(one))
    assert next_begin(one, second) == min((begin for begin, _ in one if begin > second), default=None)
    assert to_datetime(to_seconds(NOW)) == NOW
