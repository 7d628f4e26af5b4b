"""What the panel shows and changes."""

from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, String, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.base import Base
from app.modules.admin.extension import AdminView, RowEditor, is_secret
from app.modules.auth.models import LoginSession
from app.modules.user.models import User
from tests.fixtures.auth import Witness, create_user

from .browser import Browser

pytestmark = pytest.mark.anyio


@pytest.fixture
def views(state: dict[str, Any]) -> tuple[AdminView, ...]:
    found: tuple[AdminView, ...] = state["extensions"].of(AdminView)
    return found


class TestViews:
    async def test_each_opens(self, panel: Browser) -> None:
        links = {
            line.split('"')[3]
            for line in (await panel.open("/")).text.splitlines()
            if 'class="card card-link"' in line
        }

        for link in links:
            path = link.removeprefix("/admin")
            assert (await panel.open(path)).status_code == 200
            assert (await panel.open(path, search="100%_")).status_code == 200
            assert (await panel.open(path, sortBy="nothing")).status_code == 400
        assert len(links) >= 2

    async def test_list_has_one_page_after_the_other(
        self, panel: Browser, session: AsyncSession
    ) -> None:
        for _ in range(26):
            await create_user(session)

        first = (await panel.open("/user/list")).text
        last = (await panel.open("/user/list", page="2")).text

        assert "<td>root-ada</td>" not in first
        assert "<td>root-ada</td>" in last

    async def test_search_finds_what_is_typed(self, panel: Browser, session: AsyncSession) -> None:
        grace = await create_user(session, username="grace", name="Grace Hopper")
        await create_user(session, username="barbara")

        for term in ("HOPPER", str(grace.id)):
            text = (await panel.open("/user/list", search=term)).text
            assert "grace" in text
            assert "barbara" not in text
        assert "grace" not in (await panel.open("/user/list", search="%")).text

    @pytest.mark.parametrize("key", ["nothing", "01890000-0000-7000-8000-000000000000"])
    async def test_unknown_record_is_not_found(self, panel: Browser, key: str) -> None:
        for path in (f"/user/details/{key}", f"/user/edit/{key}"):
            assert (await panel.open(path)).status_code == 404

    async def test_what_is_for_looking_cannot_be_changed(
        self, panel: Browser, session: AsyncSession
    ) -> None:
        record = (await session.scalars(select(LoginSession.id))).one()

        for path in ("create", f"edit/{record}"):
            assert (await panel.send(f"/login-session/{path}", kind="x")).status_code == 403
        response = await panel.delete("/login-session/delete", pks=str(record))
        assert response.status_code == 403

    async def test_nothing_is_exported(self, panel: Browser) -> None:
        assert (await panel.open("/user/export/csv")).status_code == 404


class TestUsers:
    async def test_change_is_stored_and_recorded(
        self, panel: Browser, root: User, user: User, session: AsyncSession, witness: Witness
    ) -> None:
        await panel.open(f"/user/edit/{user.id}")
        response = await panel.send(
            f"/user/edit/{user.id}", name="Grace Hopper", is_active="y", save="Save"
        )

        assert response.status_code == 302
        await session.refresh(user)
        assert user.name == "Grace Hopper"
        (event,) = witness.events
        assert (event.name, event.actor_id, event.target_id) == ("record_changed", root.id, user.id)
        assert event.details == {
            "table": "user_account",
            "record_id": str(user.id),
            "columns": "name",
        }

    async def test_deactivation_follows_the_rules_of_the_module(
        self, panel: Browser, user: User, session: AsyncSession, witness: Witness
    ) -> None:
        await panel.open(f"/user/edit/{user.id}")
        await panel.send(f"/user/edit/{user.id}", name=user.name, save="Save")

        await session.refresh(user)
        assert not user.is_active
        assert witness.names == ["account_deactivated", "record_changed"]

    async def test_nobody_locks_themselves_out(
        self, panel: Browser, root: User, session: AsyncSession
    ) -> None:
        await panel.open(f"/user/edit/{root.id}")
        response = await panel.send(f"/user/edit/{root.id}", name="Ada", save="Save")

        assert response.status_code == 400
        await session.refresh(root)
        assert root.is_active

    async def test_only_what_is_offered_can_be_changed(
        self, panel: Browser, user: User, session: AsyncSession
    ) -> None:
        await panel.open(f"/user/edit/{user.id}")
        await panel.send(
            f"/user/edit/{user.id}",
            name=user.name,
            is_active="y",
            is_superuser="y",
            email="mallory@example.com",
            hashed_password="x",
            save="Save",
        )

        await session.refresh(user)
        assert not user.is_superuser
        assert user.email != "mallory@example.com"

    async def test_invalid_value_is_explained(
        self, panel: Browser, user: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        await panel.open(f"/user/edit/{user.id}")
        response = await panel.send(
            f"/user/edit/{user.id}", name="Two\nlines", is_active="y", save="Save"
        )

        assert response.status_code == 400
        assert "Name:" in response.text
        assert not [it for it in caplog.records if it.levelname == "ERROR"]


class TestSecrets:
    @pytest.mark.parametrize(
        "name",
        [
            "hashed_password",
            "key_hash",
            "token_hash",
            "encrypted_secret",
            "sealed_response",
            "previous_secret",
            "api_token",
            "private_key",
        ],
    )
    def test_are_known_by_their_names(self, name: str) -> None:
        assert is_secret(Column(name, String))

    def test_are_known_by_their_type(self) -> None:
        assert is_secret(Column("content", LargeBinary))

    @pytest.mark.parametrize("name", ["name", "email", "prefix", "created_at", "sha256", "status"])
    def test_are_not_everything(self, name: str) -> None:
        assert not is_secret(Column(name, String))

    @pytest.mark.parametrize("use", ["columns", "details", "searched", "editable"])
    def test_cannot_be_listed(self, use: str) -> None:
        lists = {"columns": ("name",), use: ("hashed_password",)}
        with pytest.raises(ValueError, match=r"User\.hashed_password may be a secret"):
            AdminView(model=User, name="x", plural="x", editor=RowEditor(User), **lists)  # type: ignore[arg-type]

    def test_are_in_no_view(self, views: tuple[AdminView, ...]) -> None:
        assert views
        for view in views:
            shown = {view.table[name] for name in (*view.shown, *view.editable)}
            assert not [column for column in shown if is_secret(column)]

    def test_no_text_of_fixed_length_passes_for_harmless(self) -> None:
        """What is as long as a hash and is shown nowhere else is to be looked at once."""
        harmless = {"file.sha256"}
        digests = {
            f"{mapper.local_table}.{column.name}"
            for mapper in Base.registry.mappers
            for column in mapper.columns
            if isinstance(column.type, String) and column.type.length == 64
            if not is_secret(column)
        }
        assert digests <= harmless


class TestDeclaration:
    def test_unknown_column_is_refused(self) -> None:
        with pytest.raises(ValueError, match="User has no column shoe_size"):
            AdminView(model=User, name="x", plural="x", columns=("shoe_size",))

    def test_search_looks_only_into_what_is_shown(self) -> None:
        with pytest.raises(ValueError, match="must be shown"):
            AdminView(model=User, name="x", plural="x", columns=("name",), searched=("email",))

    def test_changes_take_an_editor(self) -> None:
        with pytest.raises(ValueError, match="takes an editor"):
            AdminView(model=User, name="x", plural="x", columns=("name",), can_delete=True)
