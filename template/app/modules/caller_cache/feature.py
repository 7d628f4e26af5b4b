from app.core.feature import Feature


def feature() -> Feature:
    return Feature(name="caller_cache")
