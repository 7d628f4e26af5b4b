import pytest
from starlette.requests import HTTPConnection

from app.infrastructure.http.origins import is_from_us


class TestIsFromUs:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            # No browser.
            ({}, True),
            # Our own pages, also behind a proxy that changes `Host`.
            ({"sec-fetch-site": "same-origin", "origin": "https://api.example"}, True),
            ({"sec-fetch-site": "same-origin", "origin": "https://public.example"}, True),
            ({"sec-fetch-site": "none"}, True),
            # A trusted one.
            ({"sec-fetch-site": "cross-site", "origin": "https://app.example"}, True),
            ({"sec-fetch-site": "same-site", "origin": "https://app.example"}, True),
            ({"origin": "https://app.example"}, True),
            # Others, whatever `Host` they make the browser send.
            ({"sec-fetch-site": "cross-site", "origin": "https://api.example"}, False),
            ({"sec-fetch-site": "cross-site"}, False),
            ({"sec-fetch-site": "same-site", "origin": "https://sub.api.example"}, False),
            ({"sec-fetch-site": "", "origin": "https://api.example"}, False),
            ({"sec-fetch-site": "cross-site", "origin": "http://app.example"}, False),
            ({"sec-fetch-site": "cross-site", "origin": "https://app.example.evil"}, False),
            # Browsers that send `Origin` alone.
            ({"origin": "https://api.example"}, True),
            ({"origin": "http://api.example"}, True),
            ({"origin": "https://api.example:8443"}, False),
            ({"origin": "https://evil.example"}, False),
            ({"origin": "https://evil.example?api.example"}, False),
            ({"origin": "null"}, False),
            ({"origin": ""}, False),
            ({"origin": "null", "host": ""}, False),
            ({"origin": "https://", "host": ""}, False),
        ],
    )
    def test_tells_whose_page_it_is(self, headers: dict[str, str], expected: bool) -> None:  # noqa: FBT001
        raw = [
            (name.encode(), value.encode())
            for name, value in ({"host": "api.example"} | headers).items()
        ]
        connection = HTTPConnection({"type": "http", "headers": raw})

        assert is_from_us(connection, frozenset({"https://app.example"})) is expected
