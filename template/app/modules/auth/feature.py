from app.core.feature import Feature, commands_of, late_extension, late_router
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEventListener
from app.modules.user.privacy import PersonalData

from .bearer import BearerAuthenticator
from .notices import PASSWORD_CHANGED, SESSION_STOLEN
from .steps import Grant


def feature() -> Feature:
    return Feature(
        name="auth",
        routers=(
            late_router(__package__, "/auth"),
            late_router(__package__, "/users", "user_router"),
        ),
        root_routers=(late_router(__package__, "/.well-known", "key_router"),),
        commands={"auth": commands_of(__package__)},
        extensions=(
            BearerAuthenticator(),
            late_extension(Grant, __package__, "tokens.TokenGrant"),
            late_extension(SecurityEventListener, __package__, "listeners.ClosedAccounts"),
            late_extension(Purge, __package__, "privacy.SessionsPurge"),
            late_extension(PersonalData, __package__, "privacy.SessionsData"),
            PASSWORD_CHANGED,
            SESSION_STOLEN,
        ),
    )
