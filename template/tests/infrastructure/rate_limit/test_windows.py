from itertools import product

import pytest

from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.windows import Window

LIMIT = RateLimit(60, 60)
START = 1_000_000


class TestAt:
    def test_stays_until_its_end(self) -> None:
        window = Window(START, 7, 30)

        assert window.at(START, LIMIT) == window
        assert window.at(START + 59_999, LIMIT) == window

    def test_becomes_the_previous_one_then(self) -> None:
        assert Window(START, 7, 30).at(START + 60_000, LIMIT) == Window(START + 60_000, 30)
        assert Window(START, 7, 30).at(START + 119_999, LIMIT) == Window(START + 60_000, 30)

    def test_is_forgotten_after_two(self) -> None:
        assert Window(START, 7, 30).at(START + 120_000, LIMIT) == Window(START + 120_000)

    def test_survives_a_clock_that_goes_back(self) -> None:
        window = Window(START, 60, 30)

        assert window.at(START - 5_000, LIMIT) == window
        assert window.used(START - 5_000, LIMIT) == 90


class TestUsed:
    @pytest.mark.parametrize(
        ("after", "used"), [(0, 90), (15_000, 75), (30_000, 60), (59_000, 31), (59_999, 30)]
    )
    def test_counts_the_previous_window_by_what_is_left_of_it(self, after: int, used: int) -> None:
        assert Window(START, 60, 30).used(START + after, LIMIT) == used


class TestWait:
    def test_is_nothing_while_there_is_room(self) -> None:
        assert Window(START, 0, 59).wait(START, LIMIT) == 0

    @pytest.mark.parametrize("limit", [RateLimit(1, 1), RateLimit(3, 1), RateLimit(7, 2)])
    def test_is_exact(self, limit: RateLimit) -> None:
        """A request fits after it, and not a millisecond earlier."""
        most = limit.amount + 2
        for previous, current, after in product(
            range(most), range(most), range(0, limit.milliseconds, 91)
        ):
            now = START + after
            window = Window(START, previous, current)
            wait = window.wait(now, limit)
            fits = [
                window.at(at, limit).used(at, limit) < limit.amount
                for at in (now + wait - 1, now + wait)
            ]
            assert fits == [wait == 0 and fits[0], True], (window, after, wait)
