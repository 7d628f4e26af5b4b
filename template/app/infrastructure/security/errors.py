class InvalidTokenError(Exception):
    """Not a token of this service, or one that has run out."""
