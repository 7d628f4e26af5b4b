"""Sends a bounded number of requests over a few kept-alive connections, each waiting for its answer."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import cast

CONNECTIONS = 8
"""Below the ten that a worker's pool opens by default, so that no request waits for a connection."""

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Target:
    """One thing to ask for, and of which process."""

    name: str
    port: int
    path: str
    pid: int
    headers: tuple[str, ...] = ()
    """`Name: value`, each."""

    @property
    def request(self) -> bytes:
        lines = [f"GET {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        return "\r\n".join([*lines, *self.headers, "", ""]).encode()


class UnexpectedAnswerError(Exception):
    """A request was not answered with 200, so what it cost means nothing."""


class _Connection(asyncio.Protocol):
    """Repeats one request until `remaining` is empty."""

    def __init__(self, request: bytes, remaining: list[None]) -> None:
        self.request = request
        self.remaining = remaining
        self.buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(UnexpectedAnswerError((head + separator + body).decode(errors="replace")))
        elif len(body) >= _content_length(head):
            self.buffer = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or UnexpectedAnswerError("the server closed the connection"))

    def _next(self) -> None:
        if self.remaining:
            self.remaining.pop()
            self.transport.write(self.request)
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
            self.transport.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    raise UnexpectedAnswerError(f"no Content-Length in {head!r}")


async def _send(target: Target, requests: int) -> None:
    loop, remaining = asyncio.get_running_loop(), [None] * requests
    async with asyncio.timeout(TIMEOUT_SECONDS):
        opened = [
            await loop.create_connection(lambda: _Connection(target.request, remaining), "127.0.0.1", target.port)
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(connection.done for _, connection in opened))


def cpu_seconds(pid: int) -> float:
    """The processor time of a process since its start, all threads, user and system, in nanosecond steps.

    This is what clock_getcpuclockid(3) calls its clock; /proc/PID/stat counts in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def cpu_microseconds_per_request(target: Target, requests: int) -> float:
    """What the server spends on one request. Raises `UnexpectedAnswerError`."""
    before = cpu_seconds(target.pid)
    asyncio.run(_send(target, requests))
    return (cpu_seconds(target.pid) - before) / requests * 1e6


@dataclass(frozen=True)
class Effort:
    rounds: int
    requests: int


def in_turns(wanted: list[Target], effort: Effort) -> list[dict[str, float]]:
    """The processor time of a request of every kind, in microseconds, in every round.

    The kinds take turns in a new order each round: what else runs on the machine hits all of them alike.
    """
    for target in wanted:
        cpu_microseconds_per_request(target, effort.requests)
    rounds = []
    for _ in range(effort.rounds):
        random.shuffle(wanted)
        rounds.append({target.name: cpu_microseconds_per_request(target, effort.requests) for target in wanted})
    return rounds
