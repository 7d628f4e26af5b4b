"""The purge of expired rows as a task, in place of one in each process."""

from pydantic import JsonValue

from app.infrastructure.database.purge import purge

from .tasks import NoPayload, TaskContext, task


@task("database.purge", NoPayload)
async def purge_expired(context: TaskContext, _: NoPayload) -> JsonValue:
    # In transactions of its own; that of the task has not begun.
    return dict(await purge(context.state["database"], context.state["extensions"]))
