from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.core.feature import Feature, extensions_of
from app.core.routing import ProbePath
from app.infrastructure.http.compression import CompressionMiddleware
from app.infrastructure.http.headers import RequestIdMiddleware, SecurityHeadersMiddleware
from app.infrastructure.http.limits import (
    BodyAllowance,
    BodyLimitMiddleware,
    TrustedHostMiddleware,
)
from app.infrastructure.http.time_limit import TimeLimitMiddleware
from app.infrastructure.logging.access import AccessLogMiddleware

from .problems import ProblemMiddleware
from .settings import Settings


def service_middleware(settings: Settings, features: Sequence[Feature]) -> list[Middleware]:
    """All middleware, outermost first.

    What names, logs and decorates a response comes before `ProblemMiddleware`, so that error
    answers get it too; what may refuse a request comes after, so that it can simply raise.
    """
    extensions = extensions_of(features)
    probes = tuple(probe.prefix for probe in extensions.of(ProbePath))
    outer = [
        Middleware(RequestIdMiddleware),
        Middleware(AccessLogMiddleware, probes=probes),
        *(layer for feature in features for layer in feature.outer_middleware),
        Middleware(SecurityHeadersMiddleware, hsts_seconds=settings.security.hsts_seconds),
    ]
    if settings.cors.origins:
        outer.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors.origins,
                allow_credentials=settings.cors.allow_credentials,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                # Whom we trust with our answers may also send what our features ask for.
                allow_headers=["*"],
                expose_headers=[
                    *("X-Request-ID", "Retry-After", "Location", "ETag"),
                    *(name for feature in features for name in feature.exposed_headers),
                ],
            )
        )
    return [
        *outer,
        Middleware(ProblemMiddleware),
        Middleware(TrustedHostMiddleware, allowed=settings.trusted.hosts, probes=probes),
        Middleware(CompressionMiddleware),
        Middleware(TimeLimitMiddleware, seconds=settings.request.timeout_seconds),
        Middleware(
            BodyLimitMiddleware,
            max_bytes=settings.request.max_body_bytes,
            allowances=extensions.of(BodyAllowance),
        ),
        *(layer for feature in features for layer in feature.middleware),
    ]
