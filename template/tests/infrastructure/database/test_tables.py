"""Where tables are: Alembic would not see any other, and take it for one to be dropped."""

from importlib import import_module
from pkgutil import walk_packages

import app.modules
from app.infrastructure.database.base import Base


def test_every_table_is_in_a_module_named_models() -> None:
    for found in walk_packages(app.modules.__path__, prefix="app.modules."):
        import_module(found.name)

    places = {
        mapper.class_.__module__
        for mapper in Base.registry.mappers
        if mapper.class_.__module__.startswith("app.")
    }

    assert {place for place in places if "models" not in place.split(".")} == set()
    assert places
