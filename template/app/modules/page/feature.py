from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.core.extensions import Extensions
from app.core.feature import Feature, State
from app.infrastructure.docs.settings import DocsSettings
from app.infrastructure.form.cookies import HostCookies

from .assets import Assets
from .extension import FeedbackReceiver, PageFolder, PageLink
from .pages import Site, environment
from .presenter import ErrorPages
from .routes import router
from .service import FeedbackLog
from .settings import PageSettings

_OWN = PageFolder(Path(__file__).parent)
_DOCS = PageLink("API", "/docs", "Every operation of the API, to read about and to try out.")
_FEEDBACK = PageLink("Feedback", "/feedback", "Tell us what you miss, or what went wrong.")
_STATUS = PageLink("Status", "/health/ready", "Whether everything that the service needs answers.")


def feature(settings: PageSettings, docs: DocsSettings, *, deployed: bool) -> Feature:
    # Not `strict`: whoever comes by a link of another site would get a second one.
    cookies = HostCookies(is_secure=settings.secure_cookies, same_site="lax")
    has_docs = docs.is_served(deployed=deployed)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        extensions: Extensions = state["extensions"]
        receivers: Sequence[FeedbackReceiver] = extensions.of(FeedbackReceiver)
        if not receivers and not deployed:
            receivers = (FeedbackLog(),)
        # The last first: what comes later counts.
        folders = extensions.of(PageFolder)[::-1]
        site = Site(
            templates=environment(folders, deployed=deployed),
            assets=Assets([folder.path / "static" for folder in folders]),
            cookies=cookies,
            links=(
                *((_DOCS,) if has_docs else ()),
                *extensions.of(PageLink),
                *((_FEEDBACK,) if receivers else ()),
                _STATUS,
            ),
        )
        yield {"site": site, "feedback_receivers": receivers}

    return Feature(
        name="page",
        root_routers=(router,),
        lifespan=lifespan,
        extensions=(_OWN, ErrorPages()),
    )
