import pytest

from app.modules.file.naming import content_disposition, display_name


class TestDisplayName:
    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ("cat.png", "cat.png"),
            ("CAT.PNG", "CAT.PNG"),
            ("../../etc/passwd", "passwd.png"),
            ("..\\..\\windows\\system.ini", "system.ini.png"),
            ("/etc/cron.d/x.png", "x.png"),
            ("C:\\Users\\Ada\\cat.png", "cat.png"),
            ("....//....//x.png", "x.png"),
            ("a\0b\r\nc.png", "abc.png"),
            ("\u202egnp.exe", "gnp.exe.png"),
            ('a<b>:"|?*.png', "ab.png"),
            ("page.html", "page.html.png"),
            (" . ", "file.png"),
            ("", "file.png"),
            (None, "file.png"),
            ("e\u0301.png", "é.png"),
            ("x" * 300, "x" * 251 + ".png"),
        ],
    )
    def test_is_harmless(self, sent: str | None, expected: str) -> None:
        assert display_name(sent, "image/png") == expected

    def test_of_a_type_without_ending_stays(self) -> None:
        assert display_name("a.b", "application/x-unheard-of") == "a.b"


class TestContentDisposition:
    def test_carries_any_name_safely(self) -> None:
        name = 'Grüße "x"; a=b\\.png'

        assert content_disposition(name, is_inline=True) == (
            'inline; filename="Gr__e _x__ a_b_.png"; '
            "filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%22x%22%3B%20a%3Db%5C.png"
        )
