"""`python -m app.cli book ...`."""

from functools import partial

import typer

from app.core.commands import run_job
from app.core.feature import State
from app.modules.user.commands import Identifier, account_named

from .crud import BookCRUD
from .errors import IsbnTakenError
from .extension import announce_change
from .schemas import BookCreate
from .service import BookService

commands = typer.Typer(help="The catalogue.", no_args_is_help=True)

_EXAMPLES = (
    BookCreate(title="Emma", author="Jane Austen", isbn="9780141439587", published_in=1815),
    BookCreate(title="Middlemarch", author="G. Eliot", isbn="9780141439549", published_in=1871),
    BookCreate(title="Frankenstein", author="M. Shelley", isbn="9780141439471", published_in=1818),
)


@commands.callback()
def group() -> None:
    """Keep `seed` a subcommand while it is the only one."""


@commands.command()
def seed(context: typer.Context, owner: Identifier) -> None:
    """Give an account a few books to try things with; running it again adds nothing."""

    async def run(state: State) -> int:
        added = 0
        async with state["database"].reading() as session:
            user = await account_named(session, owner)
        for book in _EXAMPLES:
            try:
                async with state["database"].transaction() as session:
                    announce = partial(announce_change, session, user.id, state)
                    await BookService(BookCRUD(session), user.id, announce).create(book)
            except IsbnTakenError:
                continue
            added += 1
        return added

    added = run_job(context, run)
    typer.echo(f"{added} book(s) added.")
