from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from app.infrastructure.redis.outage import OutageGuard

from .limits import RateLimit
from .stores import LimitStore, Taken
from .windows import Window

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

# The arithmetic of `Window`, by the clock of the server: those of several processes differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local windows, allowed = {}, 1
for i, key in ipairs(KEYS) do
    local amount, width = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local window = {now, 0, 0}
    local stored = redis.call('GET', key)
    if stored then
        local s, p, c = string.match(stored, '(%d+) (%d+) (%d+)')
        s, p, c = tonumber(s), tonumber(p), tonumber(c)
        local passed = math.floor(math.max(0, now - s) / width)
        if passed == 0 then
            window = {s, p, c}
        elseif passed == 1 then
            window = {s + width, c, 0}
        end
    end
    local left = width - math.max(0, now - window[1])
    if math.floor(window[2] * left / width) + window[3] >= amount then
        allowed = 0
    end
    windows[i] = window
end
local answer = {allowed, now}
for i, key in ipairs(KEYS) do
    local window = windows[i]
    if allowed == 1 then
        window[3] = window[3] + 1
        local value = string.format('%.0f %.0f %.0f', window[1], window[2], window[3])
        redis.call('SET', key, value, 'PX', window[1] + 2 * ARGV[2 * i] - now)
    end
    for _, number in ipairs(window) do
        table.insert(answer, number)
    end
end
return answer
"""


class RedisStore(LimitStore):
    """Counts for all processes: one command for a request, whatever its limits."""

    def __init__(
        self,
        client: "Redis",
        key: Callable[[str, str], str],
        *,
        timeout_seconds: float,
    ) -> None:
        self._client = client
        self._key = key
        self._guard = OutageGuard("rate limits", timeout_seconds=timeout_seconds)

    @cached_property
    def _take(self) -> "AsyncScript":
        return self._client.register_script(_TAKE)

    async def take(self, limits: Sequence[tuple[str, RateLimit]]) -> Taken | None:
        keys = [self._key("limit", key) for key, _ in limits]
        numbers = [it for _, limit in limits for it in (limit.amount, limit.milliseconds)]
        command = partial(self._take, keys, numbers)
        answer = await self._guard.run(cast("Callable[[], Awaitable[list[int]]]", command), None)
        if answer is None:
            return None
        allowed, now, *rest = answer
        windows = [Window(*rest[i : i + 3]) for i in range(0, len(rest), 3)]
        return Taken(is_allowed=bool(allowed), now=now, windows=windows)
