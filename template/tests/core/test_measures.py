from collections import Counter as Counts

from app.core.measures import Counter, Histogram, Reading
from tests.support import counted

KETTLES = Counter("kettles", "Kettles that were boiled.", "colour")
SECONDS = Histogram("kettle_duration_seconds", "How long it took.", buckets=(1, 2))


class TestInstruments:
    def test_hand_out_each_number(self) -> None:
        with counted(KETTLES) as kettles, counted(SECONDS) as seconds:
            KETTLES.add("red")
            KETTLES.add("red", by=2)
            KETTLES.add("blue")
            SECONDS.observe(1.5)

        assert kettles == {("red",): 3, ("blue",): 1}
        assert seconds == {(): 1.5}

    def test_serve_any_number_of_collectors(self) -> None:
        with counted(KETTLES) as first:
            KETTLES.add("red")
            with counted(KETTLES) as second:
                KETTLES.add("red")
            KETTLES.add("red")

        assert (first, second) == ({("red",): 3}, {("red",): 1})

    def test_keep_nothing_by_themselves(self) -> None:
        KETTLES.add("red")
        SECONDS.observe(1.5)
        with counted(KETTLES) as kettles, counted(SECONDS) as seconds:
            pass

        assert (kettles, seconds) == ({}, {})


class TestReading:
    def test_shows_each_of_several_counts(self) -> None:
        readings = Reading.totals("kettles", "Boiled.", "colour", Counts(red=2, blue=1))

        assert [(it.name, it.value, it.labels, it.is_total) for it in readings] == [
            ("kettles", 2, {"colour": "red"}, True),
            ("kettles", 1, {"colour": "blue"}, True),
        ]
