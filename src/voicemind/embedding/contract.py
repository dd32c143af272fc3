"""What an embedder does, whoever provides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""One row for each text; every row has length 1, so that the product of two rows is the cosine of their angle."""


class Embedder(Protocol):
    """Turns texts into points; the same text always gives the same point. Calls may overlap."""

    name: str
    """Of the model, not only of the provider: vectors of two names cannot be compared, stored ones are made anew."""

    dimensions: int

    async def start(self) -> None:
        """Load what has to be loaded. Raises ProviderUnavailable or Misconfigured."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """The points of `texts`, shape (n, dimensions), in their order.

        A text that is longer than the model reads is read from its beginning. Raises ProviderUnavailable.
        """
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call twice."""
        ...
