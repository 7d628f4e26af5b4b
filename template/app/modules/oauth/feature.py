from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State

from .asking import Asking
from .github import GitHub
from .openid import OpenIDProvider
from .privacy import LinkedAccountsData, OAuthLoginsPurge
from .providers import Client, Provider
from .routes import login_routers, router
from .settings import OAuthSettings


def feature(settings: OAuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        asking = Asking(timeout_seconds=settings.timeout_seconds)
        providers = {item.name: item for item in _providers(settings, asking)}
        try:
            yield {"oauth_providers": providers, "oauth_settings": settings}
        finally:
            await asking.aclose()

    return Feature(
        name="oauth",
        routers=(router,),
        extended_routers=login_routers,
        lifespan=lifespan,
        extensions=(LinkedAccountsData(), OAuthLoginsPurge()),
    )


def _providers(settings: OAuthSettings, asking: Asking) -> list[Provider]:
    """Those whose credentials are set."""
    providers: list[Provider] = []
    if settings.google_client_id and (secret := settings.google_client_secret):
        client = Client(name="google", title="Google", id=settings.google_client_id, secret=secret)
        providers.append(OpenIDProvider(client, asking, issuer=settings.google_issuer))
    if settings.github_client_id and (secret := settings.github_client_secret):
        client = Client(name="github", title="GitHub", id=settings.github_client_id, secret=secret)
        url, api_url = settings.github_url, settings.github_api_url
        providers.append(GitHub(client, asking, url=url, api_url=api_url))
    if settings.openid_client_id and (secret := settings.openid_client_secret):
        title, issuer = settings.openid_name, settings.openid_issuer or ""
        client = Client(name="openid", title=title, id=settings.openid_client_id, secret=secret)
        providers.append(OpenIDProvider(client, asking, issuer=issuer))
    return providers
