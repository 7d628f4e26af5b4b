from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup

PATH = "/admin"


class AdminSettings(SettingsGroup):
    """Who is in the admin panel, for how long (`ADMIN_*`)."""

    idle_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """Half an hour without a request ends it; NIST SP 800-63B section 2.2.3 asks for an hour at
    most."""
    session_seconds: Annotated[int, Field(ge=300, le=604_800)] = 43_200
    """A working day, however busy: as the same section asks at AAL2."""
    secure_cookies: bool = True
    """Off only for development over plain HTTP, by another name than localhost or in Safari; the
    cookies then have names without the prefix `__Host-`."""

    def refusals(self) -> list[str]:
        if not self.secure_cookies:
            return ["ADMIN_SECURE_COOKIES=false sends logins over plain HTTP: unset it."]
        return []
