from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, late_extension, late_router
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEventListener
from app.modules.auth.steps import LoginStep
from app.modules.user.accounts import EmailChange
from app.modules.user.privacy import PersonalData

from .notices import EMAIL_CHANGED
from .post import Post
from .settings import AccountEmailSettings


def feature(settings: AccountEmailSettings) -> Feature:
    post = Post(settings)
    step = late_extension(LoginStep, __package__, "listeners.VerifiedAddress")

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        post.open(state["mailer"], state["email_templates"], state["extensions"])
        yield {"account_post": post}

    return Feature(
        name="account_email",
        routers=(late_router(__package__, "/account"),),
        lifespan=lifespan,
        extensions=(
            late_extension(EmailChange, __package__, "changes.ConfirmedEmailChange", post),
            late_extension(
                SecurityEventListener, __package__, "listeners.VerificationSender", post
            ),
            late_extension(SecurityEventListener, __package__, "listeners.NoticeSender", post),
            late_extension(SecurityEventListener, __package__, "listeners.TokenVoider"),
            EMAIL_CHANGED,
            late_extension(Purge, __package__, "tokens.EmailTokensPurge"),
            late_extension(PersonalData, __package__, "tokens.EmailTokensData"),
            *((step,) if settings.verification_required else ()),
        ),
    )
