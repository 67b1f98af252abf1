"""What the checks of an input found, in words for a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lensmill.survey.validation import LensCheck, Validation

OWN_FORM = "lensmill's own form"
SHOWN = 6  # lenses by name


def readable(config: Path, validation: "Validation") -> str:
    """A validation for people: the survey's problems, the lenses' problems, the notes, and a last line that sums up."""
    found = len(validation.problems)
    blocks = [f"{found} problem{'s' if found > 1 else ''} of the survey: it cannot run"] if found else []
    blocks += map(str, validation.problems)
    blocks += [_lens_block(lens) for lens in validation.lenses if lens.problems or lens.notes]
    blocks += [f"note: {note}" for note in validation.notes]
    blocks += _products([lens for lens in validation.lenses if not lens.problems])
    blocks += _facts([lens for lens in validation.lenses if not lens.problems])
    return "\n\n".join([*blocks, f"{config}: {_verdict(validation)}"])


def _lens_block(lens: "LensCheck") -> str:
    lines = [f"{lens.lens_id}: {'invalid' if lens.problems else 'ok, with notes'}"]
    lines += [f"  {line}" for problem in lens.problems for line in str(problem).splitlines()]
    return "\n".join(lines + [f"  note: {note}" for note in lens.notes])


def _products(lenses: Sequence["LensCheck"]) -> list[str]:
    """What the sound cutouts were read as, and what of them was passed over; nothing where all are in our own form."""
    if all(lens.read_as in (None, OWN_FORM) for lens in lenses):
        return []
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for lens in lenses:
        found.setdefault((lens.read_as or OWN_FORM, lens.not_used), []).append(lens.lens_id)
    lines = []
    for (name, unused), ids in found.items():
        shown = ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")
        lines.append(f"read as: {name}: {shown}" + (f"\n  not used: {'; '.join(unused)}" if unused else ""))
    return ["\n".join(lines)]


def _facts(lenses: Sequence["LensCheck"]) -> list[str]:
    """What the sound cutouts are like, for a look: sides, pixels, PSF."""
    if not lenses:
        return []
    sides = _span([n for lens in lenses for n in lens.shape or ()], "pixels")
    scale = _span([lens.pixel_scale or 0.0 for lens in lenses], "arcsec")
    width = _span([lens.psf_fwhm or 0.0 for lens in lenses], "arcsec")
    finer = [lens.psf_supersampling or 1 for lens in lenses]
    on = "the image's pixels" if max(finer) == 1 else f"pixels {_span(finer, 'times finer')}"
    return [f"cutouts: sides of {sides}, pixels of {scale}, PSF of {width} (FWHM) on {on}"]


def _span(numbers: Sequence[float], unit: str) -> str:
    low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _verdict(validation: "Validation") -> str:
    lenses, invalid = len(validation.lenses), len(validation.invalid)
    counts = f"{lenses - invalid} of {lenses} lenses are ok, {invalid} invalid" if lenses else "no lens was read"
    start = "the run can start" if invalid < lenses else "no lens can be fitted"
    return f"{counts}; {('nothing is wrong', start, 'the run cannot start')[validation.exit_code]}"
