from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Whoever owns an account is to hear of an event; an entry of `Feature.extensions`.

    The feature that records the event lists it; one that can reach people delivers it.
    """

    event: str
    """The name of the `SecurityEvent`. One that strangers can cause is no good: it would have us
    pester people at their will."""
    subject: str
    text: str
    """What happened. When, from where and what to do is added."""
