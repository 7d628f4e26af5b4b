"""Google and GitHub as they look from outside: applications that answer in their shapes.

A test says who is at the browser and how the provider misbehaves by attributes of the party.
"""

import hmac
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "client"
CLIENT_SECRET = "se+cr%et"  # characters that have to be encoded
EVIL = "https://evil.example"

Handler = Callable[[Request], Awaitable[Response]]


class Person(NamedTuple):
    id: int
    name: str | None
    email: str | None = None
    is_verified: bool = True


PEOPLE = {
    "ada": Person(1815, "Ada Lovelace", "ada@example.com"),
    # She claims Ada's address, and the provider has not checked that.
    "mallory": Person(666, "Mallory", "ada@example.com", is_verified=False),
    "bob": Person(42, None),
    "grace": Person(1906, "Grace Hopper", "Grace@Example.com"),
}


class Login(NamedTuple):
    """What a code or an access token stands for."""

    person: Person
    query: dict[str, str]


@dataclass
class Party:
    """What both have in common: one registered client, the people, codes and tokens."""

    url: str = ""
    account: str = "ada"
    """Who sits at the browser; somebody unknown declines."""
    fault: str = ""
    people: dict[str, Person] = field(default_factory=lambda: dict(PEOPLE))
    requests: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    bodies: dict[str, object] = field(default_factory=dict)
    """What to answer at a path, instead of the right thing."""
    codes: dict[str, Login] = field(default_factory=dict)
    tokens: dict[str, Login] = field(default_factory=dict)

    def reset(self) -> None:
        self.account, self.fault, self.people = "ada", "", dict(PEOPLE)
        self.requests.clear()
        self.bodies.clear()

    def routes(self) -> dict[str, Handler]:
        raise NotImplementedError

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(path, self._guarded(path, handler), methods=["GET", "POST"])
                for path, handler in self.routes().items()
            ]
        )

    def _guarded(self, path: str, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            self.requests.append(path)
            if path in self.bodies:
                return JSONResponse(self.bodies[path])
            kind, _, where = self.fault.partition(" ")
            broken = {
                "error": HTMLResponse("<h1>Server error</h1>", 500),
                "refusal": JSONResponse({"message": "Bad credentials"}, 401),
                "html": HTMLResponse("<h1>Hello</h1>"),
                "redirect": RedirectResponse(EVIL),
                "large": JSONResponse("x" * 300_000),
            }
            if where == path and kind == "hang":
                while (await request.receive())["type"] != "http.disconnect":
                    pass
            return broken[kind] if where == path and kind in broken else await handler(request)

        return handle

    def begin(self, request: Request) -> tuple[dict[str, str], str | None]:
        """The query, and a code unless the person declines."""
        query = dict(request.query_params)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        if self.account not in self.people:
            return query, None
        code = secrets.token_urlsafe(24)
        self.codes[code] = Login(self.people[self.account], query)
        return query, code

    async def redeem(self, request: Request) -> tuple[Login | None, str]:
        """What the code stands for, which is used up, or else what is wrong."""
        data = dict(parse_qsl((await request.body()).decode()))
        kind, _, basic = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":  # RFC 6749 section 2.3.1: each of the two is encoded by itself
            parts = b64decode(basic).decode().split(":")
            data["client_id"], data["client_secret"] = map(unquote_plus, parts)
        if (data.get("client_id"), data.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return None, "client"
        login = self.codes.pop(data["code"], None)
        if login is None or data["redirect_uri"] != login.query["redirect_uri"]:
            return None, "code"
        digest = encoded(sha256(data["code_verifier"].encode()).digest())
        return (login, "") if digest == login.query["code_challenge"] else (None, "code")

    def bearer(self, request: Request) -> Login:
        return self.tokens[request.headers["authorization"].removeprefix("Bearer ")]


class GitHub(Party):
    """The web flow of an OAuth app, and the two calls a login needs. Errors have status 200."""

    def routes(self) -> dict[str, Handler]:
        return {
            "/login/oauth/authorize": self.authorize,
            "/login/oauth/access_token": self.token,
            "/user": self.user,
            "/user/emails": self.emails,
        }

    async def authorize(self, request: Request) -> Response:
        query, code = self.begin(request)
        if code is None:
            return to(query["redirect_uri"], error="access_denied", state=query["state"])
        return to(query["redirect_uri"], code=code, state=query["state"])

    async def token(self, request: Request) -> Response:
        login, wrong = await self.redeem(request)
        if login is None:
            errors = {"client": "incorrect_client_credentials", "code": "bad_verification_code"}
            return JSONResponse({"error": errors[wrong], "error_description": "Incorrect."})
        token = f"gho_{secrets.token_hex(18)}"
        self.tokens[token] = login
        return JSONResponse({"access_token": token, "token_type": "bearer", "scope": "user:email"})

    async def user(self, request: Request) -> Response:
        person = self.bearer(request).person
        # The address in the profile is whatever its owner typed.
        public = {"id": person.id, "login": "octocat", "name": person.name}
        return JSONResponse(public | {"email": "ada@example.com", "type": "User"})

    async def emails(self, request: Request) -> Response:
        person = self.bearer(request).person
        rows = [("x@users.noreply.github.com", False, True), ("old@example.com", False, True)]
        if person.email:
            rows.append((person.email, True, person.is_verified))
        names = ("email", "primary", "verified")
        return JSONResponse([dict(zip(names, row, strict=True)) for row in rows])


@dataclass
class Google(Party):
    """An OpenID provider. Assign another `key` to rotate it."""

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    other: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the claims in an ID token; None leaves one out."""
    discovered: dict[str, Any] = field(default_factory=dict)
    """Of the discovery document."""

    def reset(self) -> None:
        super().reset()
        self.changes.clear()
        self.discovered.clear()

    def routes(self) -> dict[str, Handler]:
        return {
            "/.well-known/openid-configuration": self.discovery,
            "/o/oauth2/v2/auth": self.authorize,
            "/token": self.token,
            "/oauth2/v3/certs": self.certs,
            "/v1/userinfo": self.userinfo,
        }

    async def discovery(self, _: Request) -> Response:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/o/oauth2/v2/auth",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/v1/userinfo",
            "jwks_uri": f"{self.url}/oauth2/v3/certs",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }
        return JSONResponse(document | self.discovered)

    async def certs(self, _: Request) -> Response:
        return JSONResponse({"keys": [public_key(self.key)]})

    async def authorize(self, request: Request) -> Response:
        query, code = self.begin(request)
        # Without a word in its discovery document, Google names itself.
        answer = {"state": query["state"], "iss": EVIL if self.fault == "issuer" else self.url}
        if code is None:
            return to(query["redirect_uri"], error="access_denied", **answer)
        return to(query["redirect_uri"], code=code, scope="openid email", authuser="0", **answer)

    async def token(self, request: Request) -> Response:
        login, wrong = await self.redeem(request)
        if login is None:
            error = {"client": "invalid_client", "code": "invalid_grant"}[wrong]
            body = {"error": error, "error_description": "Bad Request"}
            return JSONResponse(body, 401 if wrong == "client" else 400)
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self.tokens[token] = login
        answer = {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}
        if self.fault != "no_id_token":
            answer["id_token"] = self.id_token(login)
        return JSONResponse(answer)

    async def userinfo(self, request: Request) -> Response:
        return JSONResponse(profile(self.bearer(request).person))

    def id_token(self, login: Login) -> str:
        now, fault = int(time.time()), self.fault
        claims = {"iss": self.url, "azp": CLIENT_ID, "aud": CLIENT_ID, **profile(login.person)}
        claims |= {"nonce": login.query["nonce"], "iat": now, "exp": now + 3600} | self.changes
        claims = {name: value for name, value in claims.items() if value is not None}
        header: dict[str, Any] = {"kid": public_key(self.key)["kid"]}
        if fault == "unknown_kid":
            header["kid"] = "0" * 40
        if fault == "no_kid":
            del header["kid"]
        if fault == "alg_none":
            return jwt.encode(claims, "", algorithm="none", headers=header)
        if fault == "alg_hs256":  # the public key for a secret, which PyJWT itself refuses to do
            signed = jwt.encode(claims, "x" * 32, algorithm="HS256", headers=header)
            signed = signed.rpartition(".")[0]
            pem = self.key.public_key().public_bytes(
                Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
            )
            return f"{signed}.{encoded(hmac.digest(pem, signed.encode(), 'sha256'))}"
        if fault == "own_key":  # brings the key that it is signed with
            header |= {"jwk": public_key(self.other)}
        key = self.other if fault in {"other_key", "own_key", "unknown_kid"} else self.key
        return jwt.encode(claims, key, algorithm="RS256", headers=header)


def profile(person: Person) -> dict[str, Any]:
    claims: dict[str, Any] = {"sub": f"1{person.id:020d}", "name": person.name}
    if person.email:
        claims |= {"email": person.email, "email_verified": person.is_verified}
    return claims


def public_key(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    kid = sha256(numbers["n"].encode()).hexdigest()[:40]
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid} | {
        name: numbers[name] for name in ("n", "e")
    }


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def to(target: str, **query: str) -> Response:
    return RedirectResponse(f"{target}?{urlencode(query)}", 302)
