from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.infrastructure.http_client.retry import Backoff, RetryBudget, retry_after_seconds
from app.infrastructure.http_client.settings import HttpClientSettings
from tests.infrastructure.http_client.conftest import Pauses


class TestRetryBudget:
    def test_is_a_share_of_the_requests_beyond_its_reserve(self) -> None:
        budget = RetryBudget(ratio=0.2, reserve=3)
        granted = 0
        for _ in range(100):
            budget.earn()
            while budget.spend():
                granted += 1

        assert granted == 3 + 20 - 1  # the first 0.2 finds it full

    def test_does_not_grow_while_all_is_well(self) -> None:
        budget = RetryBudget(ratio=0.2, reserve=2)
        for _ in range(1000):
            budget.earn()

        assert [budget.spend() for _ in range(3)] == [True, True, False]

    def test_may_be_nothing(self) -> None:
        budget = RetryBudget(ratio=0, reserve=0)
        budget.earn()

        assert not budget.spend()


class TestBackoff:
    def test_doubles_up_to_the_longest(self) -> None:
        backoff = Backoff(HttpClientSettings(), Pauses.longest)

        assert [backoff.seconds(attempt, 0) for attempt in range(1, 8)] == [
            0.1,
            0.2,
            0.4,
            0.8,
            1.6,
            2,
            2,
        ]

    def test_is_anything_below_that(self) -> None:
        backoff = Backoff(HttpClientSettings())
        pauses = [backoff.seconds(3, 0) or 0 for _ in range(100)]

        assert all(0 <= pause <= 0.4 for pause in pauses)
        assert len(set(pauses)) > 90

    def test_begins_after_what_was_asked_for(self) -> None:
        backoff = Backoff(HttpClientSettings(), Pauses.longest)

        assert backoff.seconds(1, 2) == 2.1

    def test_is_not_for_longer_than_we_wait(self) -> None:
        assert Backoff(HttpClientSettings()).seconds(1, 3) is None


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (None, 0),
            ("", 0),
            ("0", 0),
            ("120", 120),
            ("-5", 0),
            ("1.5", 0),
            ("9" * 10_000, 0),
            ("soon", 0),
            ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59", 0),
        ],
    )
    def test_is_a_number_or_nothing(self, value: str | None, seconds: int) -> None:
        assert retry_after_seconds(value) == seconds

    def test_may_be_a_date(self) -> None:
        date = datetime.now(UTC) + timedelta(seconds=90)

        assert 85 <= retry_after_seconds(format_datetime(date, usegmt=True)) <= 90
