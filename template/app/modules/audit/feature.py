from app.core.feature import Feature

from .settings import AuditSettings


def feature(settings: AuditSettings) -> Feature:  # noqa: ARG001
    return Feature(name="audit")
