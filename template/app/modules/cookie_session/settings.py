from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.core.settings import SettingsGroup


class SessionSettings(SettingsGroup):
    """Read from `SESSION_*`. How long a session may last in all is `AUTH_SESSION_TTL_SECONDS`."""

    idle_seconds: Annotated[int, Field(ge=300, le=31_536_000)] = 604_800
    """A week, as for refresh tokens: who has not come back by then logs in again. NIST SP 800-63B
    asks for no such limit at AAL1; at AAL2 it is 3600 (section 2.2.3)."""
    secure_cookie: bool = True
    """Off only for development over plain HTTP, by another name than localhost or in Safari; the
    cookie is then called `session`, without the prefix."""
    same_site: Literal["lax", "strict", "none"] = "lax"
    """When browsers send the cookie on requests that other sites cause: `lax`, only if one of their
    links is followed; `strict`, never; `none`, always, for a frontend on another site."""

    @model_validator(mode="after")
    def _browsers_take_it(self) -> Self:
        if self.same_site == "none" and not self.secure_cookie:
            raise ValueError(
                "SESSION_SAME_SITE=none takes SESSION_SECURE_COOKIE=true: browsers refuse such a "
                "cookie otherwise."
            )
        return self

    def refusals(self) -> list[str]:
        if not self.secure_cookie:
            return ["SESSION_SECURE_COOKIE=false sends logins over plain HTTP: unset it."]
        return []
