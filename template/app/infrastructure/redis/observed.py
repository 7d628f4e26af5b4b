from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline

from app.core.operations import Operation, Operations


class ObservedRedis(Redis):
    """Tells of its commands by their names: neither keys nor values."""

    def __init__(self, operations: Operations, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        # As `from_pool` does: it is nobody else's.
        self.auto_close_connection_pool = True
        self._operations = operations

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 (of redis-py)
        with self._operations.observed(_operation(str(args[0]))):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 (of redis-py)
        made = _ObservedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        made.operations = self._operations
        return made


class _ObservedPipeline(Pipeline):
    operations: Operations

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
        with self.operations.observed(_operation("PIPELINE")):
            return await super().execute(raise_on_error)


def _operation(command: str) -> Operation:
    return Operation(command, {"db.system.name": "redis", "db.operation.name": command})
