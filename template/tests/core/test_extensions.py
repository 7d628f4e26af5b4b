import pytest

from app.core.extensions import Extensions
from app.core.feature import Feature, extensions_of


class Spice:
    pass


class Salt(Spice):
    pass


class Spoon:
    pass


@pytest.mark.parametrize(("kind", "count"), [(Spice, 2), (Salt, 1), (Spoon, 1), (str, 0)])
def test_finds_those_of_a_kind(kind: type, count: int) -> None:
    assert len(Extensions([Salt(), Spoon(), Spice()]).of(kind)) == count


def test_keeps_the_order_of_the_features() -> None:
    first, second, third = Spice(), Salt(), Spice()
    features = [
        Feature(name="one", extensions=(first, Spoon())),
        Feature(name="none"),
        Feature(name="two", extensions=(second, third)),
    ]

    assert extensions_of(features).of(Spice) == (first, second, third)
