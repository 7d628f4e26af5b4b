#!/bin/sh
# Copies an image into another registry, with its provenance and its list of contents; the digest stays the same:
#   deploy/copy_image.sh ghcr.io/me/service@sha256:... registry.example.com/service TAG
# Log in to both with `docker login` or `skopeo login` first.
set -eu

if [ $# -ne 3 ]; then
  echo "usage: deploy/copy_image.sh IMAGE@DIGEST REPOSITORY TAG" >&2
  exit 2
fi
if ! command -v skopeo > /dev/null; then
  echo "skopeo is needed: install it." >&2
  exit 2
fi
case $1 in
  *@sha256:*) digest=${1#*@} ;;
  *)
    echo "$1 is no image with a digest: a tag may mean another one tomorrow." >&2
    exit 2
    ;;
esac

# A registry that allows no second push of a tag must not fail a second deployment of the same image.
there=$(skopeo inspect --raw "docker://$2:$3" 2> /dev/null | sha256sum)
if [ "sha256:${there%% *}" = "$digest" ]; then
  echo "$2 has it."
else
  skopeo copy --all --preserve-digests "docker://$1" "docker://$2:$3"
fi
