import pytest

from app.lambda_manage import CommandFailedError, handler

pytestmark = pytest.mark.usefixtures("bare_environment", "restored_logging")


class TestHandler:
    def test_answers_what_a_command_prints(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PORT", "8124")
        result = handler({"command": "settings"}, None)

        assert "PORT=8124\n" in result["output"]
        assert capsys.readouterr().out == result["output"]

    def test_runs_one_after_the_other(self) -> None:
        first, second = (handler({"command": "routes"}, None) for _ in range(2))

        assert "/health/live" in first["output"]
        assert first == second

    def test_fails_with_a_command_that_fails(self) -> None:
        with pytest.raises(CommandFailedError, match="No such command 'tea'"):
            handler({"command": "tea"}, None)

    def test_fails_with_what_is_wrong_in_the_configuration(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOG_LEVEL", "loud")
        with pytest.raises(CommandFailedError, match="LOG_LEVEL: Input should be"):
            handler({"command": "settings"}, None)
