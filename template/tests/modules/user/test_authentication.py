"""Credentials, permissions and who may do what: by a feature that tries all of it."""

from collections.abc import AsyncGenerator, Collection
from typing import Annotated, Any, ClassVar
from uuid import UUID

import pytest
import structlog
from fastapi import APIRouter, FastAPI, WebSocket
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient, WebSocketDenialResponse
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature, extensions_of
from app.infrastructure.database.session import database_of
from app.modules.user.authentication import Authentication, Authenticator, Caller
from app.modules.user.dependencies import CurrentUserDep, OptionalUserDep, requires
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.models import ACTIVE_USER, CurrentUser, User
from app.modules.user.permissions import Permission, Policy
from tests.fixtures.auth import Witness, create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

BREW = Permission("tea:brew", "Brew tea for yourself")
SERVE = Permission("tea:serve", "Serve everybody", is_general=False)

router = APIRouter(prefix="/tea")


@router.get("/brew")
async def brew(user: Annotated[CurrentUser, requires(BREW)]) -> UUID:
    return user.id


@router.get("/serve")
async def serve(user: Annotated[CurrentUser, requires(SERVE)]) -> UUID:
    return user.id


@router.get("/both", dependencies=[requires(BREW, SERVE)])
async def both() -> str:
    return "done"


@router.get("/drink")
async def drink(user: OptionalUserDep) -> str:
    return "a stranger" if user is None else user.username


@router.get("/own")
async def own(user: CurrentUserDep) -> UUID:
    return user.id


@router.websocket("/talk")
async def talk(socket: WebSocket, user: Annotated[CurrentUser, requires(BREW)]) -> None:
    await socket.accept()
    await socket.send_text(str(user.id))
    await socket.close()


class Badge(Authenticator):
    """`X-Badge: <username>`, or with `!` for one that is limited to brewing."""

    scheme_name: ClassVar[str] = "Badge"
    scheme: ClassVar[dict[str, Any]] = {"type": "apiKey", "in": "header", "name": "X-Badge"}

    def presented(self, connection: HTTPConnection) -> str | None:
        return connection.headers.get("x-badge")

    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        statement = ACTIVE_USER.where(User.username == credential.strip("!"))
        async with database_of(connection).reading() as session:
            row = (await session.execute(statement)).one_or_none()
        if row is None:
            raise NotAuthenticatedError
        scopes = frozenset({"tea:brew"}) if credential.endswith("!") else None
        return Caller(user=CurrentUser(*row), credential=self.scheme_name, scopes=scopes)


class Crumb(Badge):
    """The same as a cookie, which browsers send by themselves."""

    scheme_name: ClassVar[str] = "Crumb"
    scheme: ClassVar[dict[str, Any]] = {"type": "apiKey", "in": "cookie", "name": "crumb"}
    is_ambient: ClassVar[bool] = True

    def presented(self, connection: HTTPConnection) -> str | None:
        return connection.cookies.get("crumb")


class Butlers(Policy):
    """Whoever is called Butler serves."""

    async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:
        user = await session.get(User, user_id)
        return {"tea:serve", "no:such"} if user is not None and user.name == "Butler" else ()

    async def rank(self, session: AsyncSession, user_id: UUID) -> int:
        user = await session.get(User, user_id)
        return 5 if user is not None and user.name == "Butler" else 0


@pytest.fixture(scope="module")
def features(settings: Settings) -> list[Feature]:
    tea = Feature(
        name="tea", routers=(router,), extensions=(BREW, SERVE, Badge(), Crumb(), Butlers())
    )
    return [*enabled_features(settings), tea]


@pytest.fixture(scope="module")
def tea_app(settings: Settings, features: list[Feature]) -> FastAPI:
    return create_app(settings, features)


@pytest.fixture
def tea_state(
    features: list[Feature],
    state: dict[str, Any],
    witness: Witness,  # noqa: ARG001 (sees the events of this service too)
) -> dict[str, Any]:
    extensions = extensions_of(features)
    authentication = Authentication(extensions, recent_seconds=900)
    return {**state, "extensions": extensions, "authentication": authentication}


@pytest.fixture
async def tea(tea_app: FastAPI, tea_state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    async with client_of(tea_app, tea_state) as client:
        yield client


class TestPermissions:
    async def test_a_general_one_is_everybodys(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User
    ) -> None:
        await log_in(tea, tea_state, user)

        assert (await tea.get("tea/brew")).json() == str(user.id)

    async def test_another_one_is_refused_and_recorded(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User, witness: Witness
    ) -> None:
        await log_in(tea, tea_state, user)

        response = await tea.get("tea/serve")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.insufficient_scope"
        assert response.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", scope="tea:serve"'
        )
        assert witness.names == ["unauthorized_access"]
        assert witness.events[0].actor_id == user.id
        assert dict(witness.events[0].details) == {
            "credential": "OAuth2PasswordBearer",
            "method": "GET",
            "path": "/api/v1/tea/serve",
            "required": "tea:serve",
        }

    async def test_a_policy_grants_it(
        self, tea: AsyncClient, tea_state: dict[str, Any], session: AsyncSession
    ) -> None:
        butler = await create_user(session, name="Butler")
        await log_in(tea, tea_state, butler)

        assert (await tea.get("tea/serve")).status_code == 200
        assert (await tea.get("tea/both")).status_code == 200

    async def test_a_superuser_has_all(
        self, tea: AsyncClient, tea_state: dict[str, Any], superuser: User
    ) -> None:
        await log_in(tea, tea_state, superuser)

        assert (await tea.get("tea/both")).status_code == 200


class TestScopes:
    @pytest.mark.parametrize(
        ("scopes", "statuses"),
        [
            (None, {"brew": 200, "serve": 200, "both": 200, "own": 200}),
            (["tea:brew"], {"brew": 200, "serve": 403, "both": 403, "own": 403}),
            (["tea:brew", "tea:serve"], {"brew": 200, "serve": 200, "both": 200, "own": 403}),
            ([], {"brew": 403, "serve": 403, "both": 403, "own": 403}),
        ],
    )
    async def test_limit_a_token_even_a_superusers(
        self,
        tea: AsyncClient,
        tea_state: dict[str, Any],
        superuser: User,
        scopes: list[str] | None,
        statuses: dict[str, int],
    ) -> None:
        await log_in(tea, tea_state, superuser, scopes=scopes)

        assert {path: (await tea.get(f"tea/{path}")).status_code for path in statuses} == statuses

    async def test_give_nothing_that_the_user_does_not_hold(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User
    ) -> None:
        await log_in(tea, tea_state, user, scopes=["tea:serve"])

        assert (await tea.get("tea/serve")).status_code == 403

    @pytest.mark.parametrize("scope", ["tea:serve", "no:such", "tea:brew tea:serve"])
    async def test_are_not_granted_beyond_that_at_login(
        self, tea: AsyncClient, user: User, scope: str
    ) -> None:
        data = {"username": user.username, "password": "correct horse battery", "scope": scope}

        response = await tea.post("auth/token", data=data)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.invalid_scope"

    async def test_are_granted_within_it(
        self, tea: AsyncClient, session: AsyncSession, password_hash: str
    ) -> None:
        butler = await create_user(session, name="Butler", hashed_password=password_hash)
        data = {
            "username": butler.username,
            "password": "correct horse battery",
            "scope": "tea:serve tea:brew",
        }

        response = await tea.post("auth/token", data=data)

        assert response.json()["scope"] == "tea:brew tea:serve"

    @pytest.mark.parametrize("scope", [" ", "a  b", 'a"b', "x" * 2001])
    async def test_are_well_formed(self, tea: AsyncClient, user: User, scope: str) -> None:
        data = {"username": user.username, "password": "x", "scope": scope}

        assert (await tea.post("auth/token", data=data)).status_code == 422


class TestCredentials:
    async def test_each_kind_is_recognised(self, tea: AsyncClient, user: User) -> None:
        response = await tea.get("tea/brew", headers={"x-badge": user.username})

        assert response.json() == str(user.id)

    async def test_names_the_account_in_the_log(self, tea: AsyncClient, user: User) -> None:
        with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
            await tea.get("tea/brew", headers={"x-badge": user.username})
            await tea.get("tea/drink")

        known, unknown = (line for line in lines if line["event"] == "request")
        assert known["user_id"] == str(user.id)
        assert "user_id" not in unknown

    async def test_a_wrong_one_is_refused_beside_a_right_one(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User
    ) -> None:
        wrong_badge = await tea.get("tea/brew", headers={"x-badge": "nobody"})
        await log_in(tea, tea_state, user)
        beside = await tea.get("tea/brew", headers={"x-badge": "nobody"})
        wrong_token = await tea.get(
            "tea/brew", headers={"x-badge": user.username, "authorization": "Bearer a.b.c"}
        )

        assert [it.status_code for it in (wrong_badge, beside, wrong_token)] == [401] * 3

    async def test_two_accounts_at_once_are_refused(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User, superuser: User
    ) -> None:
        await log_in(tea, tea_state, user)

        response = await tea.get("tea/brew", headers={"x-badge": superuser.username})

        assert response.status_code == 401

    async def test_the_narrower_one_counts(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User
    ) -> None:
        await log_in(tea, tea_state, user)
        headers = {"x-badge": f"{user.username}!"}

        assert (await tea.get("tea/brew", headers=headers)).status_code == 200
        assert (await tea.get("tea/own", headers=headers)).status_code == 403

    async def test_what_a_browser_sends_by_itself_counts_only_alone(
        self, tea: AsyncClient, tea_state: dict[str, Any], user: User
    ) -> None:
        alone = await tea.get("tea/own", headers={"cookie": f"crumb={user.username}"})
        await log_in(tea, tea_state, user)
        stale = await tea.get("tea/own", headers={"cookie": "crumb=nobody"})

        assert (alone.status_code, stale.status_code) == (200, 200)

    @pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer a.b.c", "Bearer é"])
    async def test_a_broken_header_is_refused(self, tea: AsyncClient, header: str) -> None:
        response = await tea.get("tea/drink", headers=[(b"authorization", header.encode())])

        assert response.status_code == 401

    async def test_are_all_documented(self, tea_app: FastAPI) -> None:
        document = tea_app.openapi()

        schemes = document["components"]["securitySchemes"]
        assert schemes["Badge"] == {"type": "apiKey", "in": "header", "name": "X-Badge"}
        flow = schemes["OAuth2PasswordBearer"]["flows"]["password"]
        assert flow["scopes"]["tea:serve"] == "Serve everybody"
        security = document["paths"]["/api/v1/tea/serve"]["get"]["security"]
        assert {"OAuth2PasswordBearer": ["tea:serve"]} in security
        assert {"Badge": ["tea:serve"]} in security
        assert "security" not in document["paths"]["/api/v1/auth/token"]["post"]


class TestOptionalUser:
    async def test_may_be_nobody(self, tea: AsyncClient) -> None:
        assert (await tea.get("tea/drink")).json() == "a stranger"

    async def test_is_whoever_calls(self, tea: AsyncClient, user: User) -> None:
        response = await tea.get("tea/drink", headers={"x-badge": user.username})

        assert response.json() == user.username

    async def test_a_limited_credential_says_nothing(self, tea: AsyncClient, user: User) -> None:
        response = await tea.get("tea/drink", headers={"x-badge": f"{user.username}!"})

        assert response.json() == "a stranger"

    async def test_a_wrong_credential_is_not_nobody(self, tea: AsyncClient) -> None:
        assert (await tea.get("tea/drink", headers={"x-badge": "nobody"})).status_code == 401


class TestWebSockets:
    """The same decoder: the handshake is refused as a request would be."""

    @pytest.fixture
    def talking(self, tea_app: FastAPI, committed: object) -> TestClient:  # noqa: ARG002
        return TestClient(tea_app)

    def test_know_who_calls(self, talking: TestClient) -> None:
        with talking:
            answer = talking.post(
                "/api/v1/users",
                json={
                    "name": "Ada Lovelace",
                    "username": "ada",
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                },
            )
            login = talking.post(
                "/api/v1/auth/token",
                data={"username": "ada", "password": "correct horse battery"},
            ).json()
            headers = {"authorization": f"Bearer {login['access_token']}"}
            with talking.websocket_connect("/api/v1/tea/talk", headers=headers) as socket:
                assert socket.receive_text() == answer.json()["id"]

    @pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer a.b.c"}])
    def test_refuse_everyone_else(self, talking: TestClient, headers: dict[str, str]) -> None:
        with (
            talking,
            pytest.raises(WebSocketDenialResponse) as caught,
            talking.websocket_connect("/api/v1/tea/talk", headers=headers),
        ):
            pass

        assert caught.value.status_code == 401
        assert caught.value.json()["type"] == "urn:problem:auth.not_authenticated"


def test_every_declared_permission_is_asked_for_somewhere(app: FastAPI) -> None:
    """One that no route asks for protects nothing."""
    document = app.openapi()
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    asked = {
        scope
        for item in document["paths"].values()
        for operation in item.values()
        for entry in operation.get("security", [])
        for scopes in entry.values()
        for scope in scopes
    }

    assert asked == set(flow["scopes"])
