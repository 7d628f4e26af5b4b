from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from .storage import Storage


async def get_storage(connection: HTTPConnection) -> Storage:
    return cast("Storage", connection.state.storage)


StorageDep = Annotated[Storage, Depends(get_storage)]
