"""Takes orders, once each. An account stands for what an order makes: its table is always there."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from app.infrastructure.database.session import SessionDep
from app.modules.common.problems import raises
from app.modules.common.schemas import RequestSchema, Schema
from app.modules.idempotency.dependencies import idempotent
from app.modules.user.dependencies import requires
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.models import CurrentUser, User
from app.modules.user.permissions import WRITE_PROFILE

ORDER = "An order"


class SoldOutError(ConflictError):
    code, title = "shop.sold_out", "Sold out"


class OrderCreate(RequestSchema):
    item: str


class OrderRead(Schema):
    id: UUID
    item: str


@dataclass
class Gate:
    """Holds one order up until it is opened."""

    reached: asyncio.Event
    opened: asyncio.Event


class Shop:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self.response: Response | None = None
        self.before: Gate | None = None
        """Where nothing is written yet."""
        self.after: Gate | None = None
        """Where the order is written, and not committed."""
        self.end: Callable[[], None] = lambda: None
        """Called when the answer is made, right before the commit."""

    async def take(self, session: AsyncSession) -> UUID:
        self.runs += 1
        await self._pass(self.before)
        name = f"o{uuid4().hex[:30]}"
        order = User(name=ORDER, username=name, email=f"{name}@example.com", is_active=False)
        session.add(order)
        await session.flush()
        await self._pass(self.after)
        if self.error is not None:
            raise self.error
        return order.id

    @staticmethod
    def gate() -> Gate:
        return Gate(asyncio.Event(), asyncio.Event())

    @staticmethod
    async def _pass(gate: Gate | None) -> None:
        if gate is not None:
            gate.reached.set()
            await gate.opened.wait()


shop = Shop()


async def _end() -> AsyncGenerator[None]:
    yield
    shop.end()


Buyer = Annotated[CurrentUser, requires(WRITE_PROFILE)]
EndDep = Annotated[None, Depends(_end, scope="function")]

router = PrefixRouter(
    prefix="/orders",
    tags=["orders"],
    dependencies=[idempotent()],
    responses=raises(NotAuthenticatedError),
)
plain_router = APIRouter(dependencies=[idempotent()])
other_router = PrefixRouter(prefix="/parcels", tags=["parcels"])


@router.post("", status_code=201, response_model=OrderRead, responses=raises(SoldOutError))
async def add_order(
    session: SessionDep, _: Buyer, __: EndDep, data: OrderCreate, response: Response
) -> object:
    order_id = await shop.take(session)
    if shop.response is not None:
        return shop.response
    response.headers["Location"] = f"/api/v1/orders/{order_id}"
    response.set_cookie("basket", "empty")
    return {"id": order_id, "item": data.item}


@router.get("")
async def list_orders(_: Buyer) -> list[str]:
    return []


@router.post("/urgent", dependencies=[idempotent(is_required=True)])
async def add_urgent_order(session: SessionDep, _: Buyer) -> UUID:
    return await shop.take(session)


@router.post("/{order_id:uuid}/gift", status_code=204)
async def make_gift(order_id: UUID, session: SessionDep, _: Buyer) -> None:  # noqa: ARG001
    await shop.take(session)


@router.post("/form", openapi_extra={"x-form": True})
async def add_order_by_form(session: SessionDep, _: Buyer, item: Annotated[str, Form()]) -> str:
    await shop.take(session)
    return item


@other_router.post("", dependencies=[idempotent()])
def add_parcel(_: Buyer) -> JSONResponse:
    """Not a coroutine; and without the session."""
    shop.runs += 1
    return JSONResponse({"run": shop.runs}, 202)


@other_router.post("/unkeyed")
async def add_unkeyed_parcel(_: Buyer) -> int:
    shop.runs += 1
    return shop.runs


@plain_router.post("/plain")
async def add_plain_order(_: Buyer) -> None:
    raise AssertionError


def streamed() -> StreamingResponse:
    return StreamingResponse(iter([b"one"]))


FEATURE = Feature(name="shop", routers=(router, other_router, plain_router))
