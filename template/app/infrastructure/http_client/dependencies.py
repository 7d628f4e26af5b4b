from typing import Annotated, cast

from fastapi import Depends
from httpx2 import AsyncClient
from starlette.requests import HTTPConnection

from app.core.late import Late

from .clients import HttpClients
from .guarded import GuardedClient


async def get_http_clients(connection: HTTPConnection) -> HttpClients:
    return cast("Late[HttpClients]", connection.state.http_clients)()


HttpClientsDep = Annotated[HttpClients, Depends(get_http_clients)]


async def get_http_client(clients: HttpClientsDep) -> AsyncClient:
    return clients.pooled


async def get_guarded_client(clients: HttpClientsDep) -> GuardedClient:
    return clients.guarded


HttpClientDep = Annotated[AsyncClient, Depends(get_http_client)]
GuardedClientDep = Annotated[GuardedClient, Depends(get_guarded_client)]
