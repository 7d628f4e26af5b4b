# The add-on names its variable itself, and changes the password in it when it must.
export CELERY_BROKER_URL="${CELERY_BROKER_URL:-$CLOUDAMQP_URL}"
