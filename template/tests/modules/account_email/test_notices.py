from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.core.feature import extensions_of
from app.infrastructure.security.events import SecurityEvent, SecurityEvents
from app.infrastructure.security.notices import Notice
from app.modules.account_email.feature import feature
from app.modules.account_email.listeners import NoticeSender
from app.modules.account_email.messages import Messages
from app.modules.account_email.post import Post
from app.modules.account_email.settings import AccountEmailSettings
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user
from tests.fixtures.email import Mailbox, part

pytestmark = pytest.mark.anyio

KETTLE = Notice(event="kettle_stolen", subject="Your kettle is gone", text="Somebody took it.")


def event_named(name: str, user: User | None, **values: Any) -> SecurityEvent:  # noqa: ANN401
    origin = {"actor_id": None, "address": None, "user_agent": None, "request_id": None}
    return SecurityEvent(
        **origin
        | {
            "name": name,
            "target_id": user.id if user else None,
            "is_warning": False,
            "at": datetime(2026, 11, 2, 9, 5, tzinfo=UTC),
        }
        | values
    )


@pytest.fixture
def sender(state: dict[str, Any]) -> NoticeSender:
    """Of a service where another feature has a notice as well."""
    post = Post(AccountEmailSettings())
    post.open(state["mailer"], state["email_templates"], Extensions([KETTLE]))
    return NoticeSender(post)


class TestNotice:
    async def test_of_any_feature_is_delivered(
        self, state: dict[str, Any], user: User, sender: NoticeSender, mailbox: Mailbox
    ) -> None:
        async with state["database"].transaction() as session:
            await sender.receive(session, event_named("kettle_stolen", user))
            assert mailbox.messages == []

        (message,) = mailbox.messages
        assert message["Subject"] == "Your kettle is gone"
        assert message["To"] == user.email
        assert part(message).startswith("Hello,\n")
        assert "Somebody took it." in part(message)
        assert "on 2 November 2026 at 09:05 UTC." in part(message)
        assert "If it was not you, somebody else may be in your account" in part(message)

    async def test_says_from_where(
        self, state: dict[str, Any], user: User, sender: NoticeSender, mailbox: Mailbox
    ) -> None:
        event = event_named("kettle_stolen", user, address="203.0.113.7", user_agent="<b>x</b>")
        async with state["database"].transaction() as session:
            await sender.receive(session, event)

        assert "at 09:05 UTC from 203.0.113.7." in part(mailbox.messages[0])
        assert "&lt;b&gt;" not in part(mailbox.messages[0], "html")

    @pytest.mark.parametrize("event", ["kettle_found", "kettle_stolen"])
    async def test_is_for_its_event_and_for_accounts_that_are_there(
        self,
        state: dict[str, Any],
        session: AsyncSession,
        sender: NoticeSender,
        mailbox: Mailbox,
        event: str,
    ) -> None:
        gone = await create_user(session, deleted_at=datetime.now(UTC))
        user = await create_user(session) if event == "kettle_found" else gone
        async with state["database"].transaction() as transaction:
            await sender.receive(transaction, event_named(event, user))
            await sender.receive(transaction, event_named(event, None))

        assert mailbox.messages == []

    async def test_is_not_sent_for_what_is_rolled_back(
        self, state: dict[str, Any], user: User, mailbox: Mailbox
    ) -> None:
        events: SecurityEvents = state["events"]
        with pytest.raises(ZeroDivisionError):
            async with state["database"].transaction() as session:
                await events.record(session, "password_changed", user.id)
                raise ZeroDivisionError

        assert mailbox.messages == []

    async def test_a_changed_password_is_told(
        self, user_client: AsyncClient, user: User, mailbox: Mailbox, session: AsyncSession
    ) -> None:
        user.email_verified = True
        await session.commit()
        body = {"current_password": PASSWORD, "new_password": "paper kettle orchard"}
        assert (await user_client.post("auth/change-password", json=body)).status_code == 204

        (message,) = mailbox.messages
        assert message["Subject"] == "Your password was changed"
        assert message["To"] == f"{user.name} <{user.email}>"

    async def test_a_stolen_login_is_told(
        self, state: dict[str, Any], user: User, mailbox: Mailbox
    ) -> None:
        async with state["database"].transaction() as session:
            await state["events"].record(session, "token_reuse_detected", user.id)

        assert [it["Subject"] for it in mailbox.messages] == ["One of your logins was ended"]

    def test_is_listed_for_a_changed_address(self) -> None:
        (notice,) = extensions_of([feature(AccountEmailSettings())]).of(Notice)

        assert notice.event == "email_changed"


class TestSpan:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(300, "5 minutes"), (3599, "59 minutes"), (3600, "1 hour"), (7300, "2 hours")],
    )
    async def test_is_in_words(
        self, state: dict[str, Any], user: User, seconds: int, words: str
    ) -> None:
        settings = AccountEmailSettings(change_ttl_seconds=seconds)
        mail = Messages(state["email_templates"], settings).change(user, "a@b.example", "x")

        assert f"works once, for {words}. " in mail.note
