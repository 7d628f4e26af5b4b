from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State

from .changes import ConfirmedEmailChange
from .listeners import (
    EMAIL_CHANGED,
    NoticeSender,
    TokenVoider,
    VerificationSender,
    VerifiedAddress,
)
from .post import Post
from .routes import router
from .settings import AccountEmailSettings
from .tokens import EmailTokensData, EmailTokensPurge


def feature(settings: AccountEmailSettings) -> Feature:
    post = Post(settings)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        post.open(state["mailer"], state["email_templates"], state["extensions"])
        yield {"account_post": post}

    return Feature(
        name="account_email",
        routers=(router,),
        lifespan=lifespan,
        extensions=(
            ConfirmedEmailChange(post),
            VerificationSender(post),
            NoticeSender(post),
            TokenVoider(),
            EMAIL_CHANGED,
            EmailTokensPurge(),
            EmailTokensData(),
            *((VerifiedAddress(),) if settings.verification_required else ()),
        ),
    )
