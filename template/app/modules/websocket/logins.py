from app.modules.auth.watch import LoginEvents


class RoomLogins(LoginEvents):
    """Has the connections of an account looked at after whatever happens to it."""
