from app.modules.user.permissions import Permission

READ_WEBHOOKS = Permission("webhooks:read", "Read your own webhook endpoints and deliveries")
WRITE_WEBHOOKS = Permission("webhooks:write", "Change and use your own webhook endpoints")
