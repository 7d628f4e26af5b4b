import re
from dataclasses import dataclass
from typing import Self

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
# Six digits and 999 days: beyond that the sums in Redis, which are floating-point, lose precision.
_NOTATION = re.compile(r"([1-9]\d{0,5})/(?:([1-9]\d{0,2}) )?(second|minute|hour|day)s?")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `amount` requests in `seconds`."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, notation: str) -> Self:
        """Read `300/minute` or `5/15 minutes`. Raises `ValueError` for anything else."""
        match = _NOTATION.fullmatch(notation)
        if match is None:
            raise ValueError("must read like 300/minute or 5/15 minutes")
        amount, count, unit = match.groups()
        return cls(int(amount), int(count or 1) * _SECONDS[unit])

    @property
    def milliseconds(self) -> int:
        return self.seconds * 1000
