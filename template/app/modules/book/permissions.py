from app.modules.user.permissions import Permission

READ_BOOKS = Permission("books:read", "Read your own catalogue")
WRITE_BOOKS = Permission("books:write", "Change your own catalogue")
