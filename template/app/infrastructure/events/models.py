from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime

from .event import ID_LENGTH, SOURCE_LENGTH
from .handlers import NAME_LENGTH


class EventReceipt(Base):
    """What a handler has done for an event of a stream, committed with it."""

    __tablename__ = "event_receipt"
    __table_args__ = (Index(None, "at"),)

    handler: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    source: Mapped[str] = mapped_column(String(SOURCE_LENGTH), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
