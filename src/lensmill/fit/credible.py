"""Which minima look like a strong lens: what an image that the frame cuts, or imperfect lens light, lets pass must not win.

Of the images of a source by one galaxy the brighter lie outside the Einstein radius: a singular isothermal sphere's source at
beta < theta_E has images at theta_E +- beta, magnified by 1 +- theta_E / beta, so that their light has its mean radius
at theta_E + beta^2 / theta_E, between theta_E and 2 theta_E (Schneider, Kochanek & Wambsganss 2006, part 2, sec. 3.1). A model
whose arcs lie well inside its Einstein radius has its bright images where nobody looked: beyond the frame, or under a mask. One
whose arcs lie farther out does not lens its source into them.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from lensmill.device.batching import compiled
from lensmill.model.program import Posterior
from lensmill.physics.imaging import render_source

INNERMOST, OUTERMOST = 0.85, 2.5  # Einstein radii: least and largest mean radius of the light of the arcs
MAGNIFIED = 1.5  # least magnification, as in the certificate's plausibility


@compiled
def looks_like_a_lens(posterior: Posterior, base: Float[Array, " parameter"]) -> Bool[Array, ""]:
    """Whether a position predicts arcs, in the used pixels of the reference image, where a lens has them, and magnified."""
    seen = posterior.reference
    values, system = posterior.constrain(base), posterior.system_at(base)
    arcs = jnp.where(seen.mask, render_source(system, seen.grid, seen.psf, posterior.family.sampling), 0)
    x, y = seen.grid.rays(1)
    radius = jnp.hypot(x - values["center_x"], y - values["center_y"])
    flux = jnp.sum(arcs)
    mean = jnp.sum(arcs * radius) / (flux * values["theta_E"])
    return (mean > INNERMOST) & (mean < OUTERMOST) & (flux > MAGNIFIED * system.source.total_flux)
