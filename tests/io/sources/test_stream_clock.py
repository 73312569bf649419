"""Times of streams: their own, rising, and over a new connection by what passed meanwhile."""

from collections.abc import Iterable

from mapt.io.sources.live.stream_clock import StreamClock

SECOND = 1_000_000_000
FRAME = SECOND // 25


def run(clock: StreamClock, times: Iterable[tuple[int | None, int]]) -> list[int]:
    """Stamps of frames with (the source's time, the arrival)."""
    return [clock.stamp(source, arrival) for source, arrival in times]


def test_a_streams_own_times_count_however_its_frames_arrive() -> None:
    arrivals = [5, 5 + FRAME // 9, 5 + 3 * FRAME, 5 + 3 * FRAME + 1]
    begin = 777 * SECOND
    times = [(begin + n * FRAME, at) for n, at in enumerate(arrivals)]
    assert run(StreamClock(FRAME, paced=True), times) == [n * FRAME for n in range(4)]


def test_without_times_the_arrivals_count_and_never_stand_still() -> None:
    times = [(None, 10), (None, 10 + FRAME), (None, 10 + FRAME), (None, 10 + 3 * FRAME)]
    assert run(StreamClock(FRAME, paced=True), times) == [0, FRAME, FRAME + 1, 3 * FRAME + 1]


def test_a_new_connection_continues_after_the_time_that_passed() -> None:
    for begin in (0, 5 * SECOND, 10**12):  # wherever its own times begin
        clock = StreamClock(FRAME, paced=True)
        assert run(clock, [(0, 0), (FRAME, FRAME)]) == [0, FRAME]
        clock.reconnected()
        later = FRAME + 7 * SECOND
        assert run(clock, [(begin, later), (begin + FRAME, later + FRAME)]) == [
            later,
            later + FRAME,
        ]


def test_a_clock_that_was_set_back_or_far_ahead_is_followed_by_arrivals() -> None:
    clock = StreamClock(FRAME, paced=True)
    source = [0, FRAME, 3600 * SECOND, 3600 * SECOND + FRAME, 9 * SECOND, 9 * SECOND + FRAME]
    times = [(time, n * FRAME) for n, time in enumerate(source)]
    assert run(clock, times) == [n * FRAME for n in range(6)]


def test_a_pause_in_the_stream_is_a_pause() -> None:
    clock = StreamClock(FRAME, paced=True)
    pause = 60 * SECOND
    assert run(clock, [(0, 0), (pause, pause + 5), (pause + FRAME, pause + 9)])[-2:] == [
        pause,
        pause + FRAME,
    ]


def test_a_pipes_arrivals_say_nothing() -> None:
    clock = StreamClock(FRAME, paced=False)
    times = [(0, 0), (60 * SECOND, 1), (60 * SECOND, 2), (61 * SECOND, 3)]
    assert run(clock, times) == [0, 60 * SECOND, 60 * SECOND + FRAME, 61 * SECOND + FRAME]
