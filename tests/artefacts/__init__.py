"""The artefacts of all targets: one module a target, one line here."""

from collections.abc import Sequence

from artefacts import ci, image
from harness.artefacts import Artefact

ARTEFACTS: Sequence[Artefact] = [
    *ci.ARTEFACTS,
    *image.ARTEFACTS,
]
