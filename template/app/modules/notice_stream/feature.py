from app.core.feature import Feature

from .settings import NoticeStreamSettings


def feature(settings: NoticeStreamSettings) -> Feature:  # noqa: ARG001
    return Feature(name="notice_stream")
