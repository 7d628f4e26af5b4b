import gc

import pytest

from app.core.collecting import without_collecting
from app.core.late import Late


def test_is_made_once() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    late = Late(make)

    assert late.made is None
    assert made == []
    assert late() is late() is late.made
    assert len(made) == 1


def test_nothing_is_collected_meanwhile() -> None:
    frozen = gc.get_freeze_count()
    try:
        with without_collecting():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def test_collecting_goes_on_after_an_error() -> None:
    try:
        with pytest.raises(ValueError, match="wrong"), without_collecting():
            raise ValueError("wrong")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
