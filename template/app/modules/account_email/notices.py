from app.infrastructure.security.notices import Notice

EMAIL_CHANGED = Notice(
    event="email_changed",
    subject="Your e-mail address was changed",
    text="The e-mail address of your account was changed.",
)
