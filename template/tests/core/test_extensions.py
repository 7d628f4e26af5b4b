import pytest

from app.core.extensions import Extensions, LateExtension
from app.core.feature import Feature, extensions_of, late_extension


class Spice:
    pass


class Salt(Spice):
    pass


class Spoon:
    pass


class Pepper(Spice):
    def __init__(self, color: str) -> None:
        self.color = color


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


class TestLateExtension:
    def test_is_made_when_its_kind_is_asked_for(self) -> None:
        made: list[Spice] = []

        def make() -> list[Spice]:
            made.extend((Salt(), Spice()))
            return made

        extensions = Extensions([Spoon(), LateExtension((Spice,), make), Spice()])

        assert len(extensions.of(Spoon)) == 1
        assert made == []
        assert extensions.of(Spice)[:2] == (*made,)
        assert len(extensions.of(Spice)) == 3
        assert len(made) == 2

    def test_comes_from_its_module(self) -> None:
        late = late_extension(Spice, "tests.core", "test_extensions.Pepper", "red")

        (pepper,) = Extensions([late]).of(Spice)

        assert type(pepper).__name__ == "Pepper"
        assert vars(pepper) == {"color": "red"}

    def test_is_of_the_kind_that_it_says(self) -> None:
        extensions = Extensions([LateExtension((Spoon,), lambda: [Salt()])])

        with pytest.raises(TypeError, match="announced as a Spoon"):
            extensions.of(Spoon)

    def test_may_be_of_several_kinds(self) -> None:
        class Spork(Spice, Spoon):
            pass

        late = LateExtension((Spice, Spoon), lambda: [Spork()])
        extensions = Extensions([late])

        assert extensions.of(Spice) == late.made
        assert extensions.of(Spoon) == late.made
        assert extensions.of(str) == ()
