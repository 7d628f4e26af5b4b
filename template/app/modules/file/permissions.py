from app.modules.user.permissions import Permission

READ_FILES = Permission("files:read", "Read your own files")
WRITE_FILES = Permission("files:write", "Upload, change and delete your own files")
