"""The columns of a catalogue: what each means, its unit, and what its cells may hold."""

import dataclasses
import math

from lensmill.config.simulation import FINEST_PSF


@dataclasses.dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: what it is, its unit, and the closed or open interval of its values."""

    description: str
    unit: str
    low: float
    high: float
    open_ended: bool = False
    whole: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        if self.whole and value != round(value):
            return False
        return self.low < value < self.high if self.open_ended else self.low <= value <= self.high

    @property
    def expected(self) -> str:
        """The interval in words."""
        if self.whole:
            return f"a whole number, {self.low:g} to {self.high:g}"
        if self.high == math.inf:
            return f"a number > {self.low:g}"
        return f"a number > {self.low:g} and < {self.high:g}" if self.open_ended else f"{self.low:g} to {self.high:g}"


NUMBERS = {
    "z_lens": NumberColumn("redshift of the lens", "", 0, 20, open_ended=True),
    "z_source": NumberColumn("redshift of the source", "", 0, 20, open_ended=True),
    "ra": NumberColumn("right ascension of the lens", "deg", 0, 360),
    "dec": NumberColumn("declination of the lens", "deg", -90, 90),
    "pixel_scale": NumberColumn("side of a pixel, where the cutout has no WCS", "arcsec", 0.001, 2),
    "psf_supersampling": NumberColumn(
        "how many times finer than the image's pixels those of the PSF are, where its header has no pixel scale",
        "",
        1,
        FINEST_PSF,
        whole=True,
    ),
    "background_rms": NumberColumn(
        "standard deviation of the background in a pixel, where the cutout has no RMS", "", 0, math.inf, open_ended=True
    ),
    "exposure_time": NumberColumn("exposure time, where the cutout has no RMS", "s", 0, math.inf, open_ended=True),
    "psf_fwhm": NumberColumn(
        "full width at half maximum of a Moffat profile, where the cutout has no PSF", "arcsec", 0, 10, open_ended=True
    ),
    "gain": NumberColumn(
        "electrons of one unit of the image, where its header has no gain", "", 0, math.inf, open_ended=True
    ),
    "mask_use": NumberColumn(
        "the value of MASK in pixels that are used, where its header has no keyword MASKUSE", "", 0, 1, whole=True
    ),
    "theta_E_guess": NumberColumn(
        "Einstein radius as known beforehand: the median of its prior", "arcsec", 0, 60, open_ended=True
    ),
    "theta_E_guess_error": NumberColumn(
        "standard deviation of `theta_E_guess`, a fifth of it where this is empty", "arcsec", 0, 60, open_ended=True
    ),
    "velocity_dispersion": NumberColumn(
        "stellar velocity dispersion of the lens: with both redshifts, and without `theta_E_guess`, the prior of the Einstein "
        "radius is that of an isothermal sphere",
        "km / s",
        0,
        2000,
        open_ended=True,
    ),
    "velocity_dispersion_error": NumberColumn(
        "standard deviation of `velocity_dispersion`, a tenth of it where this is empty",
        "km / s",
        0,
        2000,
        open_ended=True,
    ),
    "fit_radius": NumberColumn(
        "radius of the fitted region, in place of the config's `model.fit_radius`",
        "arcsec",
        0,
        math.inf,
        open_ended=True,
    ),
}
TEXTS = {
    "lens_id": "name of the lens, unique, safe as a file name",
    "file": "FITS cutout, relative to the catalogue's folder",
    "band": "filter of the image",
    "masking": "`auto` or `given`, in place of the config's `preparation.masking`",
    "weights": "what a weight map holds, `ivar` (inverse variances) or `exposure` (times, s), where the file does not tell",
    "mask_flags": "names of flags that leave a pixel out, besides those that do by their meaning, with blanks in between",
    "leave_flags": "names of flags that leave no pixel out, or `all`",
    "zeros": "`blank` or `data`: what pixels of exactly 0 are, where the header of SCI has no keyword ZEROS",
}
CHOICES = {  # of columns of words: which, and what to do where none of them fits
    "masking": (("auto", "given"), "leave the cell empty to do as the config says"),
    "weights": (("ivar", "exposure"), "leave the cell empty where there are none"),
    "zeros": (("blank", "data"), "leave the cell empty where there is nothing to say"),
}
