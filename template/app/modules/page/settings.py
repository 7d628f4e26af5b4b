from app.core.settings import SettingsGroup


class PageSettings(SettingsGroup):
    """What browsers are given beside the pages (`PAGE_*`)."""

    secure_cookies: bool = True
    """Off only for development over plain HTTP, by another name than localhost or in Safari; the
    cookies then have names without the prefix `__Host-`."""

    def refusals(self) -> list[str]:
        if not self.secure_cookies:
            message = (
                "PAGE_SECURE_COOKIES=false lets others on the way, and other hosts of the domain, "
                "plant the cookies that forms rely on: unset it."
            )
            return [message]
        return []
