import pytest

from app.core.extensions import Extensions
from app.core.operations import Operation, Operations
from tests.fixtures.operations import Diary


class TestOperations:
    def test_are_told_to_all_observers(self) -> None:
        one, other = Diary(), Diary()
        operations = Operations(Extensions([one, other]))

        begun = operations.begin(Operation("ask"))
        assert begun is not None
        begun.end("503", {"status": 503})
        with operations.observed(Operation("look")):
            pass

        assert one.notes == other.notes == [("ask", "503"), ("look", None)]
        assert one.attributes == {"status": 503}

    def test_that_fail_say_so(self, diary: Diary) -> None:
        with pytest.raises(LookupError), diary.operations.observed(Operation("look")):
            raise LookupError

        assert diary.notes == [("look", "LookupError")]

    def test_carry_what_observers_want_to_find_again(self, diary: Diary) -> None:
        begun = diary.operations.begin(Operation("ask"))
        assert begun is not None
        with diary.operations.resumed(Operation("do"), diary.operations.carried()):
            pass

        assert begun.carried == {"traceparent": "ask"}
        assert diary.resumptions == [("do", {"traceparent": "sender"})]

    def test_interest_nobody_by_default(self) -> None:
        operations = Operations(Extensions())

        assert not operations
        assert operations.begin(Operation("ask")) is None
        assert operations.carried() == {}
        with operations.observed(Operation("look")), operations.resumed(Operation("do"), {}):
            pass
