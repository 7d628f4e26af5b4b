from app.modules.auth.watch import LoginEvents


class StreamLogins(LoginEvents):
    """Has the streams of an account looked at after whatever happens to it."""
