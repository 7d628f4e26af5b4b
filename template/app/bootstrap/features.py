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
# {% if email %}
from app.infrastructure.email import feature as email
# {% endif %}
# {% if auth %}
from app.infrastructure.security import feature as security
# {% endif %}
# {% if email %}
from app.modules.account_email import feature as account_email
# {% endif %}
# {% if api_keys %}
from app.modules.api_key import feature as api_key
# {% endif %}
# {% if audit %}
from app.modules.audit import feature as audit
# {% endif %}
# {% if auth %}
from app.modules.auth import feature as auth
# {% endif %}
# {% if example %}
from app.modules.book import feature as book
# {% endif %}
# {% if sessions %}
from app.modules.cookie_session import feature as cookie_session
# {% endif %}
from app.modules.health import feature as health
# {% if oauth %}
from app.modules.oauth import feature as oauth
# {% endif %}
# {% if rbac %}
from app.modules.role import feature as role
# {% endif %}
# {% if two_factor %}
from app.modules.two_factor import feature as two_factor
# {% endif %}
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
        # {% if email %}
        email.feature(settings.email, title=TITLE),
        # {% endif %}
        # {% if auth %}
        security.feature(settings.secret, settings.auth),
        user.feature(settings.auth),
        auth.feature(),
        # {% endif %}
        # {% if sessions %}
        cookie_session.feature(settings.session, settings.cors),
        # {% endif %}
        # {% if email %}
        account_email.feature(settings.account_email),
        # {% endif %}
        # {% if oauth %}
        oauth.feature(settings.oauth),
        # {% endif %}
        # {% if two_factor %}
        two_factor.feature(settings.two_factor, settings.secret, title=TITLE),
        # {% endif %}
        # {% if rbac %}
        role.feature(),
        # {% endif %}
        # {% if api_keys %}
        api_key.feature(settings.api_key),
        # {% endif %}
        # {% if audit %}
        audit.feature(settings.audit),
        # {% endif %}
        # {% if example %}
        book.feature(),
        # {% endif %}
        docs.feature(settings.docs, title=TITLE, deployed=deployed),
        *custom_features(settings),
    ]
    return [*features, health.feature(features)]
