from typing import Any

from httpx2 import AsyncClient

from tests.fixtures.oauth import leave

GOOGLE_ADA = "100000000000000001815"


async def finish(client: AsyncClient, provider: str = "google") -> Any:  # noqa: ANN401
    back = await leave(client, provider)
    return await client.get(f"oauth/{provider}/callback", params=back)
