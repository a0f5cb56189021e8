"""Names of models that tools answer and take: `lora/lora.safetensors`, `exports:a.safetensors`.

What stands before the colon is a root; without it the training outputs are meant, as in the
contract. `job:<id>/<file>` is a file that only the backend can read. No absolute path is a name.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from aitk_core.errors import InvalidArgumentsError
from aitk_core.services.modelfiles import MODEL_EXTENSIONS

OUTPUTS: Final = "outputs"
EXPORTS: Final = "exports"
JOB: Final = "job"
_ROOT: Final = re.compile(r"(outputs|exports|models\d*|job):(.+)", re.DOTALL)


@frozen(kw_only=True)
class ModelRef:
    """One file below one root."""

    root: str
    """`outputs`, `exports`, a root of models, or `job`."""
    path: str
    """Relative to the root; of a job, `<job id>/<file name>`."""

    @property
    def text(self) -> str:
        """Return the name as tools take it."""
        return self.path if self.root == OUTPUTS else f"{self.root}:{self.path}"


def parse_ref(text: str) -> ModelRef:
    """Return what a name means; whether it is there is another question.

    Raises:
        InvalidArgumentsError: It is no file of weights by its extension, or is no name at all.
    """
    match = _ROOT.fullmatch(text.strip())
    root, path = (match[1], match[2]) if match else (OUTPUTS, text.strip())
    if not path.lower().endswith(MODEL_EXTENSIONS):
        message = f"{path[:200]!r} is no model: {', '.join(MODEL_EXTENSIONS)} are"
        raise InvalidArgumentsError(
            message,
            remedy="list-exported-models shows the models that there are",
            faults=[{"path": "/model_path", "message": message}],
        )
    return ModelRef(root=root, path=path.replace("\\", "/"))
