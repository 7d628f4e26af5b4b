"""What the owner of an account is told."""

from app.infrastructure.security.notices import Notice

PASSWORD_CHANGED = Notice(
    event="password_changed",
    subject="Your password was changed",
    text="The password of your account was changed. All other logins have ended.",
)
SESSION_STOLEN = Notice(
    event="token_reuse_detected",
    subject="One of your logins was ended",
    text="A token of one of your logins was used twice, which happens when somebody has copied it. "
    "That login has ended.",
)
