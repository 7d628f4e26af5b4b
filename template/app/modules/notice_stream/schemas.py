"""What streams carry: JSON objects, told apart by `type`, which is the event's name as well."""

from dataclasses import dataclass
from typing import Literal

from app.modules.common.schemas import Schema


class Notice(Schema):
    """Derive a class for each kind, with a `type` of its own.

    `type: Literal["order_shipped"] = "order_shipped"`. Keep them small: ids rather than contents.
    """

    type: str


@dataclass(frozen=True, slots=True)
class NoticeKind:
    """Has the API's description tell clients of a kind; an entry of `Feature.extensions`."""

    model: type[Notice]


class Reset(Notice):
    """Notices were missed for good: load again what you show."""

    type: Literal["reset"] = "reset"


class Announcement(Notice):
    """What the operators tell everybody."""

    type: Literal["announcement"] = "announcement"
    text: str
