"""The artefacts of all targets: one module a target, one line here."""

from collections.abc import Sequence

from artefacts import aws_ecs, aws_lambda, ci, cloud, digitalocean, heroku, image, kubernetes, proxy, vm
from harness.artefacts import Artefact

ARTEFACTS: Sequence[Artefact] = [
    *aws_ecs.ARTEFACTS,
    *aws_lambda.ARTEFACTS,
    *ci.ARTEFACTS,
    *cloud.ARTEFACTS,
    *digitalocean.ARTEFACTS,
    *heroku.ARTEFACTS,
    *image.ARTEFACTS,
    *kubernetes.ARTEFACTS,
    *proxy.ARTEFACTS,
    *vm.ARTEFACTS,
]
