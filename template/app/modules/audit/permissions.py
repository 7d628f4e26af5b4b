from app.modules.user.permissions import Permission

READ_AUDIT = Permission("audit:read", "Read what everybody did", is_general=False)
