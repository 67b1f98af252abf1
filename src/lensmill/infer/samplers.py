"""The samplers that the config's `inference.sampler` may name.

A new one is a file beside this one, a line in `SAMPLERS` and its name in the config's model.
"""

from collections.abc import Mapping
from typing import Protocol

from jaxtyping import Array, Bool, Float

from lensmill.infer import nuts
from lensmill.infer.nuts import Chain, Draws
from lensmill.infer.whitening import Frame, Potential


class Sampler(Protocol):
    """Takes `draws` more draws of a chain in the whitened space of `frame`.

    While `adapting`, the sampler tunes the chain's step size so that the mean acceptance is `target_accept`. A draw costs at most
    2**`max_tree_depth` gradients.
    """

    def __call__(
        self,
        potential: Potential,
        frame: Frame,
        chain: Chain,
        adapting: Bool[Array, ""],
        *,
        draws: int,
        target_accept: Float[Array, ""] | float,
        max_tree_depth: int,
    ) -> tuple[Chain, Draws]:
        """The chain after these draws, and the draws."""


SAMPLERS: Mapping[str, Sampler] = {"nuts": nuts.run_block}
