"""The section `simulate` of a configuration: the mock survey that is written."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lensmill.config.fields import Count, Fraction, NotNegative, Positive, Rising, Side, odd
from lensmill.config.section import Section

FINEST_PSF = 10  # times finer than the image


class Realism(Section):
    """What makes mock images look like real ones: their lens galaxies, neighbours, cosmic rays, noise and PSF."""

    light_ratio: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(8.0, 40.0),
        description="flux of the lens galaxy and its neighbours over that of the arcs: drawn log-uniformly between the two",
    )
    bulge_share: Annotated[tuple[Fraction, Fraction], Rising] | None = Field(
        default=None,
        description="share of a bulge in the light of lens galaxies with a disc, drawn evenly between the two; null: ellipticals",
    )
    twist: NotNegative = Field(
        default=15.0, description="standard deviation of the isophotes' turn over a factor of ten in radius, degrees"
    )
    alignment: NotNegative = Field(
        default=0.06, description="standard deviation of each component of the mass's ellipticity about the light's"
    )
    neighbours: NotNegative = Field(default=1.0, description="mean number of neighbours, in no mask")
    cosmic_rays: NotNegative = Field(default=0.5, description="mean number of cosmic-ray hits left, in no mask")
    noise_correlation: NotNegative = Field(
        default=0.45,
        description="standard deviation of the Gaussian that noise is smoothed with, pixels, as drizzling does; the rms map "
        "stays that of unsmoothed noise",
    )
    psf_error: Fraction = Field(
        default=0.05, description="error of the width of the PSF that is given to the fit, up or down"
    )


class Simulate(Section):
    """The mock survey that the rule `simulate` writes to `catalogue`."""

    lenses: Count = Field(default=8, description="number of mock lenses")
    shape: tuple[Side, Side] = Field(default=(64, 64), description="rows and columns of a cutout, pixels")
    pixel_scale: float = Field(default=0.08, gt=0.001, lt=2, description="side of a pixel, arcsec")
    psf_fwhm: Positive = Field(default=0.16, description="full width at half maximum of the PSF, arcsec")
    psf: Literal["gaussian", "moffat"] = Field(default="moffat", description="profile of the PSF")
    psf_size: Annotated[int, AfterValidator(odd)] = Field(
        default=21, ge=3, description="side of the PSF stamp, pixels of the image, odd"
    )
    psf_supersampling: int = Field(
        default=1,
        ge=1,
        le=FINEST_PSF,
        description="how many times finer than the image's pixels those of the PSF stamp are",
    )
    exposure_time: Positive = Field(default=2000.0, description="exposure time, s; the image is in electron/s")
    background_rms: Positive = Field(
        default=0.01, description="standard deviation of the background in a pixel, electron/s"
    )
    snr: Annotated[tuple[Positive, Positive], Rising] = Field(
        default=(30.0, 80.0),
        description="peak signal-to-noise ratio of the lensed source in a pixel: drawn log-uniformly between the two",
    )
    source: Literal["galaxies", "sersic", "neural"] = Field(
        default="galaxies",
        description="galaxies kept out of the network's training, sersic profiles, or draws of the network",
    )
    realism: Realism | None = Field(
        default=None,
        description="how the images resemble real ones; null: lens light as modelled, white noise, the true PSF",
    )
