"""The configuration of a run: the only definition of what may be configured.

The skeleton config/config.yaml, its JSON schema and docs/configuration.md are generated from here
(`make docs`).
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lensmill.config.fields import (
    Count,
    File,
    Fraction,
    Positive,
    ProfileName,
    Rising,
    RunName,
)
from lensmill.config.section import Section
from lensmill.config.simulation import Simulate
from lensmill.files.shipped import PRIORS, WEIGHTS

SHIPPED, TRAINED = Path("shipped"), Path("train")  # words in the place of a file

RESOLVED = "config.resolved.yaml"  # what a run keeps of its config, in its results folder
MOST_RAYS = 10  # along a side of a pixel
MOST_MODES = 128  # of the residual field of a neural source: as many as `physics.source.texture` has
SEARCH_SOURCE = "sersic"  # the profile that every search for a maximum begins with, whatever the source of the model


class Model(Section):
    """What a lens is made of."""

    mass: tuple[ProfileName, ...] = Field(
        default=("epl", "shear"),
        min_length=1,
        description="mass profiles, at least one with `theta_E`; each has its priors in the block `mass`",
    )
    lens_light: tuple[ProfileName, ...] = Field(
        default=("sersic",), description="profiles of the lens galaxy's light; [] where it is already subtracted"
    )
    source: ProfileName = Field(
        default="neural",
        description="the source: `neural` (a galaxy drawn by the source network), `sersic`, `shapelets` or `pixels`",
    )
    source_modes: int = Field(
        default=0,
        ge=0,
        le=MOST_MODES,
        description="modes of the residual field that a neural source has beside its latents, for the detail of real galaxies "
        "that the network cannot make; 0: none",
    )
    sky: bool = Field(default=True, description="whether a constant sky level is a parameter")
    supersampling: int = Field(
        default=2,
        ge=1,
        le=MOST_RAYS,
        description="rays along each side of a pixel; at least one in each of the PSF's pixels",
    )
    core_supersampling: int = Field(
        default=8,
        ge=1,
        le=20,
        description="the same for the lens light near its centre, where it is steep",
    )
    arc_supersampling: int = Field(
        default=8,
        ge=1,
        le=20,
        description="the same for the lensed source in the twentieth of the pixels where it is steepest; of use only "
        "above `supersampling`, and where that is 2 or more",
    )
    fit_radius: Positive | Literal["auto"] | None = Field(
        default="auto",
        description="pixels farther than this from the cutout's centre, arcsec, are not used; auto: chosen around the arcs, "
        "which it never cuts, where that saves pixels; null: all are used",
    )
    precision: Literal["float32", "float64"] = Field(
        default="float32", description="arithmetic of the pixels; parameters are float64 in any case"
    )


class Preparation(Section):
    """How a cutout is prepared for the fit. What is found is recorded for every lens, whatever is done about it."""

    masking: Literal["auto", "given"] = Field(
        default="auto",
        description="auto: besides what MASK leaves out, bad pixels and cosmic rays are not used, nor neighbours and "
        "stars farther out, or brighter, than any image of the source can be; given: MASK alone",
    )
    lens_light: Literal["modelled", "subtracted"] = Field(
        default="modelled",
        description="modelled: by the profiles of `model.lens_light`, sampled with all other parameters; subtracted: measured "
        "before the fit with the arcs left out, and its errors, a few hundredths of it that vary smoothly with radius and angle, "
        "are integrated out; `model.lens_light` is then []",
    )
    light_error: Fraction = Field(
        default=0.0,
        description="relative error of the model's lens light, of its profiles and of the PSF: that much of the lens light is "
        "added to rms in quadrature; a few hundredths for a real galaxy",
    )
    mass_follows_light: Positive | None = Field(
        default=None,
        description="the priors of the main mass profile's centre and ellipticity are centred on the lens light's at the arcs, "
        "each component of the ellipticity with this standard deviation; null: as the priors file has them",
    )
    noise: Literal["given", "scaled", "inflated"] = Field(
        default="given",
        description="what the noise in blank sky, where it differs from rms significantly, does to rms. given: nothing; scaled: "
        "rms is multiplied so that its pixels' variance is right; inflated: so that, with noise that pixels share (drizzling), "
        "the posterior's widths are",
    )


class SurveyPsf(Section):
    """PSFs that hold for the whole survey, for lenses whose files have none of their own."""

    files: dict[str, File] = Field(default={}, description="band -> FITS file of its PSF, or of many with RA and Dec")
    between: Literal["nearest", "interpolated"] = Field(
        default="nearest",
        description="of many stamps: the one nearest to the lens, or the mean of the four nearest by their distance squared",
    )


class Galaxies(Section):
    """The galaxies that the source network learns from."""

    number: Count = Field(default=6000, description="number of galaxies")
    catalogue: File | None = Field(
        default=None,
        description="a GalSim RealGalaxy catalogue (FITS) to learn from; null: galaxies generated by lensmill",
    )


class SourceNetwork(Section):
    """The generative network that is the prior of the source."""

    weights: File = Field(
        default=SHIPPED,
        description="`shipped`: the network that comes with lensmill; `train`: one trained in this run; or a file of trained "
        "weights (.msgpack)",
    )
    galaxies: Galaxies = Field(default=Galaxies(), description="what the network learns from")
    latents: Count = Field(default=64, description="number of latent parameters of a source")
    nodes: int = Field(default=32, ge=8, description="side of the grid of spline coefficients that the decoder makes")
    channels: tuple[Count, ...] = Field(
        default=(64, 32, 16, 8),
        min_length=1,
        description="widths of the decoder's layers, coarse to fine; `nodes` is divisible by 2 for every one after the first",
    )
    epochs: Count = Field(default=30, description="passes over the galaxies")
    batch_size: Count = Field(default=64, description="galaxies a training step")
    learning_rate: float = Field(default=0.004, gt=0, le=1, description="peak step size of the optimiser")
    holdout: float = Field(default=0.1, gt=0, lt=1, description="fraction of the galaxies kept out of training")

    @model_validator(mode="after")
    def _check(self) -> Self:
        doublings = len(self.channels) - 1
        if self.nodes % 2**doublings:
            expected = f"nodes divisible by {2**doublings}: channels double the grid {doublings} times"
            raise PydanticCustomError("nodes", "nodes", {"expected": expected, "got": self.nodes})
        return self


class Inference(Section):
    """How a posterior is found and sampled."""

    starts: Count = Field(default=48, description="starting points of the search for the posterior's maximum")
    sampler: Literal["nuts"] = Field(default="nuts", description="the algorithm that draws from the posterior")
    chains: int = Field(default=4, ge=2, description="Markov chains a lens; convergence is judged by comparing them")
    warmup: Count = Field(default=100, description="adaptation steps a chain")
    round: int = Field(
        default=100, ge=8, description="draws a chain and round; rounds go on until the certificate holds"
    )
    max_rounds: Count = Field(default=8, description="rounds of draws, at most, on each rung of the ladder")
    rungs: int = Field(
        default=2,
        ge=0,
        le=10,
        description="times that sampling is begun again, up a ladder, where a first try of `max_rounds` rounds does not "
        "converge: with more care, or from a better maximum; then the lens is given up as uncertified (0: one try in all)",
    )
    max_tree_depth: int = Field(
        default=7,
        ge=1,
        le=12,
        description="a trajectory is doubled at most this many times (NUTS), which bounds its gradients",
    )
    target_accept: float = Field(
        default=0.8, gt=0.5, lt=1, description="mean acceptance that the step size is adapted to"
    )


class Plausibility(Section):
    """What a solution must look like to be that of a strong lens; docs/trust.md says how the defaults were set."""

    lensing_evidence: float = Field(
        default=10.0,
        description="least ln evidence of the lens model over that of the best model without lensing, nats",
    )
    light_outside: Positive = Field(
        default=8.0, description="most light left over outside the arcs, in a patch of the PSF's size, sigma"
    )
    inner_chi2: Positive = Field(
        default=2.0,
        description="largest chi-squared a pixel inside the arcs, over that elsewhere, at its 3-sigma lower bound",
    )
    arcs_radius: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(0.85, 2.0),
        description="range of the radius of half the arcs' light over the effective Einstein radius",
    )
    multiply_imaged: Fraction = Field(
        default=0.02, description="least share of the source's light that is imaged more than once"
    )
    magnification: Positive = Field(default=1.5, description="least magnification")
    missing_image: Positive = Field(
        default=8.0, description="most light that the model predicts where the data have less than half of it, sigma"
    )
    center_offset: Positive = Field(default=0.25, description="largest distance of mass and lens light, arcsec")
    shape_offset: Positive = Field(
        default=1.0, description="largest difference of the complex ellipticities of mass and lens light"
    )
    shear: Positive = Field(default=0.25, description="largest external shear")
    slope: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(1.3, 2.8),
        description="range of the logarithmic slope gamma of the mass; the default is the prior's own",
    )
    source_size: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(0.02, 2.0), description="range of the source's half-light radius, arcsec"
    )
    arc_chi2: Positive = Field(
        default=1.5,
        description="largest chi-squared a pixel in the arcs, over that elsewhere, at its 3-sigma lower bound",
    )
    arc_correlation: Positive = Field(
        default=0.2,
        description="largest correlation of neighbouring residuals in the arcs beyond that elsewhere, at its 3-sigma lower bound",
    )


class Certificate(Section):
    """What a posterior must show to be certified."""

    rhat: float = Field(default=1.01, gt=1, description="largest rank-normalised split R-hat of any lens parameter")
    ess: Positive = Field(default=400.0, description="least bulk and tail effective sample size of any lens parameter")
    ebfmi: float = Field(
        default=0.3, ge=0, lt=2, description="least Bayesian fraction of missing information (energy) of a chain"
    )
    divergences: int = Field(default=0, ge=0, description="most divergent transitions after warm-up")
    another_solution: float = Field(
        default=6.0,
        ge=0,
        description="least height above the best, nats, of a solution with another Einstein radius that the search found",
    )
    chi2: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(0.8, 1.25),
        description="range of the reduced chi-squared at the best draw; blank sky has 1 where `preparation.noise` changes rms",
    )
    noise: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(0.5, 1.5), description="range of the standard deviation of blank sky, in the rms that was given"
    )
    modelled_psf: bool = Field(
        default=False, description="whether a lens may be certified whose PSF is a model because the cutout has none"
    )
    psf_offset: Positive = Field(
        default=0.5, description="farthest that the PSF's light may be from its central pixel, pixels of the image"
    )
    ppp: Annotated[tuple[Fraction, Fraction], Rising] = Field(
        default=(0.001, 0.999),
        description="range of the posterior predictive p-value of the residuals; 2 of 1,000 right models are outside by chance",
    )
    source_misfit: float | None = Field(
        default=4.5,
        description="largest excess of power and spatial correlation of the residuals where the arcs shine, in standard "
        "deviations of pure noise; galaxies like those that the network learnt from exceed the default in 2 of 100; null: not "
        "judged, where pixels share their noise (plausibility then compares the arcs with what is around them)",
    )
    source_latent_chi2: float | None = Field(
        default=3.5,
        description="largest mean square of those latents of a neural source that the data determine, 1 for galaxies drawn from "
        "the network's prior; galaxies like those that it learnt from exceed the default in 2 of 100; null: not judged",
    )
    plausibility: Plausibility = Field(
        default=Plausibility(), description="what a solution must look like to be that of a strong lens"
    )


class Config(Section):
    """One run: a survey, a model, an inference. Paths are relative to the working directory."""

    run: RunName = Field(description="name of the run: its results are in <results>/<run>/")
    results: File = Field(default=Path("results"), description="folder that holds the results of all runs")
    seed: int = Field(default=2026, ge=0, lt=2**32, description="every random number of the run descends from it")
    catalogue: File = Field(description="the survey: an ECSV, CSV or FITS table with a row a lens")
    priors: File = Field(
        default=SHIPPED,
        description="the file with the prior of every parameter; `shipped`: config/priors.yaml as it comes with lensmill",
    )
    batch_size: Count | None = Field(
        default=None,
        description="lenses a job, about: the unit of work and of compilation; null: 4, and more in surveys of hundreds: "
        "16 of 1,000, 40 of 10,000, so that no step has more than 256 jobs; on a GPU 256 or so",
    )
    simulate: Simulate | None = Field(
        default=None, description="a mock survey to be written to `catalogue`; null: a survey is given"
    )
    model: Model = Field(default=Model(), description="what a lens is made of")
    preparation: Preparation = Field(default=Preparation(), description="how a cutout is prepared for the fit")
    psf: SurveyPsf = Field(default=SurveyPsf(), description="PSFs of the survey, a file a band")
    source_network: SourceNetwork = Field(default=SourceNetwork(), description="the network that draws the sources")
    inference: Inference = Field(default=Inference(), description="how a posterior is found and sampled")
    certificate: Certificate = Field(default=Certificate(), description="what a posterior must show to be certified")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.preparation.lens_light == "subtracted" and self.model.lens_light:
            expected = "preparation.lens_light: modelled, or model.lens_light: []"
            got = f"preparation.lens_light: subtracted, model.lens_light: [{', '.join(self.model.lens_light)}]"
            raise PydanticCustomError("lens_light", "lens_light", {"expected": expected, "got": got})
        return self

    @property
    def folder(self) -> Path:
        """Where the results of this run go."""
        return self.results / self.run

    @property
    def priors_file(self) -> Path:
        """The file of the priors."""
        return PRIORS if self.priors == SHIPPED else self.priors

    @property
    def weights(self) -> Path | None:
        """The file of the source network's weights; None where no source is the network's."""
        if self.model.source != "neural" and (self.simulate is None or self.simulate.source != "neural"):
            return None
        given = self.source_network.weights
        words = {SHIPPED: WEIGHTS, TRAINED: self.folder / "source" / "weights.msgpack"}
        return words.get(given, given)
