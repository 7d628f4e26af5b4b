"""How Alembic reaches the database and learns what the models look like."""

import asyncio
import logging
import sys
from collections.abc import Iterable
from importlib import import_module
from pkgutil import walk_packages
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropTableOp, MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DefaultClause, inspect

import app.custom
from app.bootstrap.settings import load_settings
from app.bootstrap.variables import ConfigurationError
from app.core.errors import UnavailableError
from app.infrastructure.database.base import Base
from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.types import UtcDateTime

logger = logging.getLogger("alembic.runtime.migration")

# All tables, yours too, whether the service has imported them yet or not; a test looks for any
# that are elsewhere.
for found in walk_packages(app.__path__, prefix="app."):
    if "models" in found.name.split("."):
        import_module(found.name)

# As SQLite they would be written as `0`, which PostgreSQL refuses for a boolean.
PORTABLE_DEFAULTS: dict[str, str | Literal[False]] = {
    "false": "sa.false()",
    "true": "sa.true()",
    "now()": "sa.func.now()",
}


def render_item(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """How a migration names what would otherwise tie it to our code or to one database."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "server_default" and isinstance(item, DefaultClause):
        return PORTABLE_DEFAULTS.get(str(item.arg), False)
    return False


def drop_dependents_first(
    migration: MigrationContext, _: object, scripts: Iterable[MigrationScript]
) -> None:
    """Put the tables that are dropped at the end, each before those that it refers to.

    Alembic drops them in no order, and PostgreSQL drops no table that another one refers to.
    """
    for script in scripts:
        for upgrade, downgrade in zip(
            script.upgrade_ops_list, script.downgrade_ops_list, strict=True
        ):
            drops = [change for change in upgrade.ops if isinstance(change, DropTableOp)]
            if not drops:
                continue
            tables = inspect(migration.connection).get_sorted_table_and_fkc_names()
            created = [name for name, _ in tables]
            drops.sort(key=lambda drop: created.index(drop.table_name), reverse=True)
            upgrade.ops[:] = [*(change for change in upgrade.ops if change not in drops), *drops]
            upgrade.reverse_into(downgrade)


def is_left_alone() -> bool:
    """Whether a newer version has been here, and this one is asked for the newest schema it knows.

    It was gone back to: what the newer one has added, it can do without. Alembic itself would not
    start from a migration that it does not know, and no old version would come up any more.
    """
    script = ScriptDirectory.from_config(context.config)
    try:
        destination = context.get_revision_argument()
    except KeyError:
        # Neither up nor down.
        return False
    known = {it.revision for it in script.walk_revisions()}
    current = context.get_context().get_current_heads()
    return destination in script.get_heads() and not known.issuperset(current)


def run(connection: Connection | None = None, *, url: str | None = None) -> None:
    context.configure(
        connection=connection,
        url=url,
        target_metadata=Base.metadata,
        render_item=render_item,
        process_revision_directives=drop_dependents_first,
        # SQLite changes a table by copying it.
        render_as_batch=True,
        literal_binds=url is not None,
    )
    if connection is not None and is_left_alone():
        logger.warning("The schema is that of a newer version, and stays as it is.")
        return
    with context.begin_transaction():
        context.run_migrations()


async def run_on_database() -> None:
    engine = open_engine(load_settings().database.for_migrations, "write")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def show_progress() -> None:
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)


def main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
    elif context.is_offline_mode():
        run(url=load_settings().database.write_address.render_as_string(hide_password=False))
    else:
        show_progress()
        asyncio.run(run_on_database())


try:
    main()
except (ConfigurationError, UnavailableError) as exc:
    sys.exit(str(exc))
