from app.modules.page.settings import PageSettings

REFUSAL = (
    "PAGE_SECURE_COOKIES=false lets others on the way, and other hosts of the domain, plant the "
    "cookies that forms rely on: unset it."
)


class TestPageSettings:
    def test_refuse_cookies_over_plain_http(self) -> None:
        assert PageSettings().refusals() == []
        assert PageSettings(secure_cookies=False).refusals() == [REFUSAL]
