import pytest

from app.infrastructure.http.cookies import cookie_in


class TestCookieIn:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ([b"__Host-a=1"], "1"),
            ([b"b=2;  __Host-a=1\t; c=3"], "1"),
            ([b"b=2", b"__Host-a=1=1"], "1=1"),
            ([b"__Host-a="], ""),
            ([], None),
            ([b"a=1", b"__Host-ab=1", b"__host-a=1"], None),
            ([b"__Host-a=1; __Host-a=1"], None),
            ([b"__Host-a=1", b"__Host-a=2"], None),
            ([b"\xa0__Host-a=1"], None),
            ([b"__Host-a\x0b=1"], None),
        ],
    )
    def test_believes_one_cookie_of_this_very_name(
        self, headers: list[bytes], expected: str | None
    ) -> None:
        scope = {"headers": [(b"accept", b"__Host-a=9"), *((b"cookie", it) for it in headers)]}

        assert cookie_in(scope, b"__Host-a") == expected
