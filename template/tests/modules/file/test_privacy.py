from pathlib import Path

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.file.models import File, FileLeftover
from app.modules.user.models import User

from .samples import objects, stored

pytestmark = pytest.mark.anyio


async def test_files_are_part_of_the_export(user_client: AsyncClient) -> None:
    file = await stored(user_client)

    export = (await user_client.get("users/me/export")).json()

    assert export["files"] == [file]


async def test_files_go_with_their_owner_and_their_content_too(
    user_client: AsyncClient,
    superuser_client: AsyncClient,
    user: User,
    superuser: User,
    folder: Path,
    session: AsyncSession,
) -> None:
    await stored(user_client)
    await stored(user_client)
    await stored(superuser_client)

    response = await superuser_client.delete(f"users/{user.id}")

    assert response.status_code == 204
    assert await session.scalar(select(func.count()).select_from(File)) == 1
    assert await session.scalar(select(func.count()).select_from(FileLeftover)) == 0
    assert (len(objects(folder, user.id)), len(objects(folder, superuser.id))) == (0, 1)
    again = await superuser_client.delete(f"users/{user.id}")
    assert again.status_code == 204
