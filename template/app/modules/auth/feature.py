from app.core.feature import Feature, commands_of

from .notices import PASSWORD_CHANGED, SESSION_STOLEN
from .routes import key_router, router, user_router
from .sessions import ClosedAccounts, SessionsData, SessionsPurge
from .tokens import BearerAuthenticator, TokenGrant


def feature() -> Feature:
    return Feature(
        name="auth",
        routers=(router, user_router),
        root_routers=(key_router,),
        commands={"auth": commands_of(__package__)},
        extensions=(
            BearerAuthenticator(),
            TokenGrant(),
            ClosedAccounts(),
            SessionsPurge(),
            SessionsData(),
            PASSWORD_CHANGED,
            SESSION_STOLEN,
        ),
    )
