"""The features this service is built from, in start-up order. The template keeps this list.

Yours are in `app/custom.py`.
"""

from collections.abc import Sequence

from app.core.feature import Feature
from app.custom import custom_features
# {% if database %}
from app.infrastructure.database import feature as database
# {% endif %}
from app.infrastructure.docs import feature as docs
# {% if auth %}
from app.infrastructure.security import feature as security
from app.modules.auth import feature as auth
# {% endif %}
# {% if example %}
from app.modules.book import feature as book
# {% endif %}
from app.modules.health import feature as health
# {% if auth %}
from app.modules.user import feature as user
# {% endif %}

from .settings import TITLE, Settings


def enabled_features(settings: Settings) -> Sequence[Feature]:
    deployed = settings.environment.is_deployed
    features = [
        # {% if database %}
        database.feature(settings.database, environment=settings.environment),
        # {% endif %}
        # {% if auth %}
        security.feature(settings.secret, settings.auth),
        user.feature(),
        auth.feature(),
        # {% endif %}
        # {% if example %}
        book.feature(),
        # {% endif %}
        docs.feature(settings.docs, title=TITLE, deployed=deployed),
        *custom_features(settings),
    ]
    return [*features, health.feature(features)]
