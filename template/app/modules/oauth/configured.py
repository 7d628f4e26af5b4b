from collections.abc import Mapping

from .asking import Asking
from .github import GitHub
from .openid import OpenIDProvider
from .providers import Client, Provider
from .settings import OAuthSettings


def configured_providers(settings: OAuthSettings, asking: Asking) -> Mapping[str, Provider]:
    """Those whose credentials are set, by name."""
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
    return {it.name: it for it in providers}
