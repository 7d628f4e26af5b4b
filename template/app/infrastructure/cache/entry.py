"""What is cached, and under which keys."""

import json
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json

Value = TypeVar("Value")

Part = str | int | bool | UUID | date | Enum | BaseModel | None
"""What a key may consist of: what is the same in every process, and equal if it means the same."""

LONGEST_SECONDS = 86_400
"""No entry lives longer than a day; an invalidation is remembered for as long."""


class Audience(Enum):
    EVERYBODY = "everybody"


EVERYBODY: Final = Audience.EVERYBODY
"""The answer is the same for all callers."""


@dataclass(frozen=True, slots=True)
class Key(Generic[Value]):
    """One entry: what it is, for whom, and which one."""

    entry: "CacheEntry[Value]"
    text: str


@dataclass(frozen=True, kw_only=True)
class CacheEntry(Generic[Value]):
    """A kind of entry: `CacheEntry[Weather](name="weather", type_=Weather, ttl_seconds=300)`.

    Values are stored as JSON and validated when they are read, never unpickled. The schema of
    `type_` is part of the key, so that one release does not read what another one has written;
    raise `version` when the meaning of a field changes and its type does not.
    """

    name: str
    type_: Any
    ttl_seconds: float
    """The longest life; each entry gets up to a tenth less, so that they do not end together."""
    none_ttl_seconds: float | None = None
    """That of a `None`, of what was looked for and not found; unset: as any other."""
    lock_seconds: float = 5
    """For how long one process computes while the others wait; longer than computing takes. 0: each
    process computes its own, which is better where computing takes milliseconds."""
    version: int = 1
    adapter: TypeAdapter[Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for seconds in (self.ttl_seconds, self.none_ttl_seconds or self.ttl_seconds):
            if not 0 < seconds <= LONGEST_SECONDS:
                raise ValueError(f"{self.name}: an entry lives for up to {LONGEST_SECONDS} seconds")
        object.__setattr__(self, "adapter", TypeAdapter(self.type_))

    def key(self, *parts: Part, audience: UUID | Audience) -> Key[Value]:
        """The entry that `parts` name, for one person alone or for everybody.

        A `TypeError` for what must not be part of a key: a session, a request, an object.
        """
        for part in parts:
            if not isinstance(part, Part):
                raise TypeError(f"{type(part).__name__} cannot be part of a cache key")
        # What somebody has typed does not show up in the server, nor can it imitate another key.
        digest = blake2b(to_json(parts), digest_size=16).hexdigest()
        whom = audience.value if isinstance(audience, Audience) else audience.hex
        return Key(self, f"{self.name}:{self._version}:{whom}:{digest}")

    def of(self, loaded: object) -> Value:
        """The value of what was computed; raises pydantic's `ValidationError`."""
        value: Value = self.adapter.validate_python(loaded, from_attributes=True)
        return value

    def dump(self, value: Value) -> bytes:
        return self.adapter.dump_json(value, round_trip=True, by_alias=True)

    def parse(self, payload: bytes) -> Value:
        """The value of what was stored; raises pydantic's `ValidationError`."""
        value: Value = self.adapter.validate_json(payload)
        return value

    def lifetime(self, value: Value) -> float:
        """The longest one in seconds, before the jitter."""
        if value is None and self.none_ttl_seconds is not None:
            return self.none_ttl_seconds
        return self.ttl_seconds

    @cached_property
    def _version(self) -> str:
        schema = json.dumps(self.adapter.json_schema(mode="serialization"), sort_keys=True)
        return f"v{self.version}.{blake2b(schema.encode(), digest_size=4).hexdigest()}"


class AnswerEntry(CacheEntry[bytes]):
    """An answer as it is sent: `AnswerEntry(name="news", type_=Page[News], ttl_seconds=60)`.

    `type_` is the `response_model` of the route, which returns what is found as a `Response`. Two
    thirds of the work on an answer from a cache are reading it and writing it again; nobody does
    that here. So what is stored is trusted: the server must be one that only this service writes.
    """

    def of(self, loaded: object) -> bytes:
        return self.adapter.dump_json(super().of(loaded), by_alias=True)

    def dump(self, value: bytes) -> bytes:
        return value

    def parse(self, payload: bytes) -> bytes:
        return payload
