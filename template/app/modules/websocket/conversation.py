from pydantic import BaseModel, ValidationError
from starlette.types import Message

from app.core.errors import DomainError

from .allowance import Allowance
from .connection import NOT_TEXT, TOO_LARGE, TOO_MANY_ERRORS, Connection
from .errors import InvalidMessageError, TooFastError
from .schemas import (
    CLIENT_MESSAGE,
    AnyClientMessage,
    Failure,
    Ping,
    Pong,
    Publish,
    Published,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from .service import Rooms


class Conversation:
    """Answers the messages of one connection, in their order."""

    def __init__(self, connection: Connection, rooms: Rooms) -> None:
        settings = rooms.settings
        self._connection = connection
        self._rooms = rooms
        self._max_bytes = settings.max_message_bytes
        rate, errors = settings.messages_per_second, settings.errors_per_minute
        self._messages = Allowance(per_second=rate, burst=2 * rate)
        self._errors = Allowance(per_second=errors / 60, burst=errors)

    async def answer(self, message: Message) -> None:
        text = message.get("text")
        if text is None:
            self._connection.end(NOT_TEXT)
        # Characters first: they are never more than bytes, and counting those copies the text.
        elif len(text) > self._max_bytes or len(text.encode()) > self._max_bytes:
            self._connection.end(TOO_LARGE)
        else:
            self._say(await self._reply(text))

    def _say(self, reply: BaseModel) -> None:
        self._connection.send(reply.model_dump_json())
        if isinstance(reply, Failure) and not self._errors.take():
            self._connection.end(TOO_MANY_ERRORS, keeps_queued=True)

    async def _reply(self, text: str) -> BaseModel:
        ref = None
        try:
            if not self._messages.take():
                raise TooFastError
            message = _parse(text)
            ref = message.ref
            return await self._follow(message)
        except DomainError as exc:
            return Failure(code=exc.code, detail=exc.detail, ref=ref)

    async def _follow(self, message: AnyClientMessage) -> BaseModel:
        match message:
            case Subscribe(room=room, ref=ref):
                await self._rooms.join(self._connection, room)
                return Subscribed(room=room, ref=ref)
            case Unsubscribe(room=room, ref=ref):
                self._rooms.leave(self._connection, room)
                return Unsubscribed(room=room, ref=ref)
            case Publish(room=room, data=data, ref=ref):
                await self._rooms.publish(self._connection, room, data)
                return Published(room=room, ref=ref)
            case Ping(ref=ref):
                return Pong(ref=ref)


def _parse(text: str) -> AnyClientMessage:
    try:
        return CLIENT_MESSAGE.validate_json(text)
    except ValidationError as exc:
        raise InvalidMessageError(exc.errors(include_input=False)[0]["type"]) from None
