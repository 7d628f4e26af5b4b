from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .crud import DeliveryCRUD, EndpointCRUD, delete_older
from .models import WebhookEndpoint
from .schemas import DeliveryDetail, EndpointRead
from .settings import WebhookSettings


class WebhooksData(PersonalData):
    name: ClassVar[str] = "webhooks"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        """With what was sent, as long as that is kept."""
        endpoints = await EndpointCRUD(session).all_of(user_id)
        return [await _exported(session, endpoint) for endpoint in endpoints]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        """What is on its way is not tried again."""
        await EndpointCRUD(session).erase(user_id)


async def _exported(session: AsyncSession, endpoint: WebhookEndpoint) -> dict[str, JsonValue]:
    exported: dict[str, JsonValue] = EndpointRead.model_validate(endpoint).model_dump(mode="json")
    deliveries = await DeliveryCRUD(session).all_of(endpoint.id)
    sent: list[JsonValue] = [
        DeliveryDetail.model_validate(it).model_dump(mode="json") for it in deliveries
    ]
    return {**exported, "deliveries": sent}


class DeliveryPurge(Purge):
    name: ClassVar[str] = "webhook_deliveries"

    def __init__(self, settings: WebhookSettings) -> None:
        self._kept = timedelta(days=settings.retention_days)

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await delete_older(session, now - self._kept)
