import secrets

from pydantic import SecretStr

CHALLENGE = 'Bearer realm="metrics"'


def is_allowed(token: SecretStr | None, authorization: str | None) -> bool:
    """Whether the header shows the token, if one is asked for."""
    if token is None:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    expected = token.get_secret_value().encode()
    return secrets.compare_digest(given.strip().encode(), expected) and scheme.lower() == "bearer"
