"""Load with a memory: who asks a service, and what it has promised them."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx2

CALLERS = 8
# More than any limit of the service: what takes longer hangs.
HANGS_SECONDS = 20.0
# What a service that lacks something may answer.
HONEST = frozenset({503, 504})


@dataclass
class Ledger:
    """What callers were told, to be compared with what is true afterwards."""

    kept: set[str] = field(default_factory=set)
    """The ISBNs of books that the service says it has."""
    answers: Counter[int] = field(default_factory=Counter)
    cut: int = 0
    """Connections that were refused or broke off without an answer."""
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0
    """Seconds until an answer, or until it was known that there is none."""
    successes: list[float] = field(default_factory=list)
    """When writes were answered, by the monotonic clock."""

    def recovered_after(self, moment: float) -> float:
        """Seconds from a moment to the next success; fails if there is none."""
        later = [success - moment for success in self.successes if success > moment]
        assert later, f"nothing has succeeded since: {self}"
        return min(later)

    def __str__(self) -> str:
        told = ", ".join(f"{status} {number} times" for status, number in sorted(self.answers.items()))
        return f"{told}; cut {self.cut}; slowest {self.slowest:.1f} s; wrong: {self.wrong[:3] or 'nothing'}"


@asynccontextmanager
async def callers(
    base: str,
    token: str,
    number: int = CALLERS,
    patience: float = HANGS_SECONDS,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Ledger]:
    """Write and read books all the time, until the block ends."""
    ledger, isbns, over = Ledger(), count(1), asyncio.Event()
    headers = {"Authorization": f"Bearer {token}"}
    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            client = httpx2.AsyncClient(base_url=base, headers=headers, timeout=patience, verify=trust or True)
            group.create_task(_call(client, ledger, isbns, over))
        try:
            yield ledger
        finally:
            over.set()


async def _call(client: httpx2.AsyncClient, ledger: Ledger, isbns: "count[int]", over: asyncio.Event) -> None:
    async with client:
        while not over.is_set():
            isbn = f"978{next(isbns):010}"
            book = {"title": f"Number {isbn}", "author": "Nobody", "isbn": isbn}
            written = await _ask(client, ledger, "POST", "books", book)
            if written is None or written.status_code != 201:
                await asyncio.sleep(0.05)
                continue
            ledger.kept.add(isbn)
            ledger.successes.append(time.monotonic())
            read = await _ask(client, ledger, "GET", f"books/{written.json()['id']}")
            if read is not None and read.status_code == 200 and read.json()["isbn"] != isbn:
                ledger.wrong.append(f"{isbn} is read as {read.text}")


async def _ask(
    client: httpx2.AsyncClient, ledger: Ledger, method: str, path: str, body: object = None
) -> httpx2.Response | None:
    began = time.monotonic()
    try:
        response = await client.request(method, path, json=body)
    except httpx2.TimeoutException:
        ledger.wrong.append(f"{method} {path} hangs")
        return None
    except httpx2.TransportError:
        ledger.cut += 1
        return None
    finally:
        ledger.slowest = max(ledger.slowest, time.monotonic() - began)
    ledger.answers[response.status_code] += 1
    if response.status_code not in {200, 201} | HONEST:
        ledger.wrong.append(f"{method} {path}: {response.status_code} {response.text}")
    if response.status_code in HONEST and "Retry-After" not in response.headers:
        ledger.wrong.append(f"{method} {path}: {response.status_code} without Retry-After")
    return response
