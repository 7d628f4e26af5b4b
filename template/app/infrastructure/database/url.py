"""Understands the database addresses that platforms hand out."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

EMBEDDED = "sqlite:///app.db"

_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}
# libpq's names, and what asyncpg calls them; None: asyncpg decides for itself. A host is named here
# where it is the folder of a socket: postgresql://user:password@/name?host=/run/postgresql.
_PARAMETERS = {"host": "host", "ssl": "ssl", "sslmode": "ssl", "channel_binding": None}


def async_url(text: str) -> URL:
    """The address for SQLAlchemy's asyncio drivers.

    Raises `ValueError`, whose message never contains the address: it may hold a password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(_expected("is not a database address")) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError(_expected(f"starts with {url.drivername}://"))
    if driver.startswith("sqlite"):
        if url.database in {None, "", ":memory:"}:
            raise ValueError("SQLite needs a file, for example sqlite:///app.db")
        return url.set(drivername=driver)
    if not url.database:
        raise ValueError(_expected("names no database"))
    return _with_known_parameters(url.set(drivername=driver))


def _with_known_parameters(url: URL) -> URL:
    if unknown := url.query.keys() - _PARAMETERS.keys():
        raise ValueError(
            f"the parameter {min(unknown)!r} is not supported; use sslmode or leave it out"
        )
    query = {name: url.query[key] for key in url.query if (name := _PARAMETERS[key]) is not None}
    return url.set(query=query)


def _expected(found: str) -> str:
    return f"{found}; write postgresql://user:password@host:5432/name or sqlite:///app.db"
