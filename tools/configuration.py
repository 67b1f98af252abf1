"""Files written from the models and the profiles: skeleton, JSON schemas, docs/configuration.md, products.md, profiles.md.

python tools/configuration.py [--write]     check them, or write them
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import profiles
import pydantic

from lensmill.config.models import Config
from lensmill.config.priors import PRIORS, Priors
from lensmill.config.reading import section_of
from lensmill.config.skeleton import allowed, flow, skeleton
from lensmill.conventions import DOMAINS
from lensmill.files.atomic import write_text
from lensmill.survey.catalogue import META, OVERRIDE, REQUIRED
from lensmill.survey.columns import NUMBERS, TEXTS
from lensmill.survey.manual import products_page


def documents() -> dict[Path, str]:
    """The generated files, by their path from the project's root."""
    return {
        Path("config/config.yaml"): skeleton(),
        Path("config/config.schema.json"): _schema(Config),
        Path("config/priors.schema.json"): _schema(Priors),
        Path("docs/configuration.md"): manual(),
        Path("docs/products.md"): products_page(),
        Path("docs/profiles.md"): profiles.page(),
    }


def drifted(root: Path) -> list[Path]:
    """The generated files below `root` that are not what the models say."""
    return [path for path, text in documents().items() if not _holds(root / path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _schema(model: type[pydantic.BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def manual() -> str:
    """docs/configuration.md: every key, every distribution, every column, every extension."""
    parts = [
        "# Configuration\n\nWritten by `make docs` from the models in `src/lensmill/config`.",
        "A run is one YAML file; `lensmill validate CONFIG` lists everything that is wrong with it, its priors, its "
        "catalogue and its cutouts, each with file, key or row, what was expected, what was found and a hint. Paths "
        "are relative to the working directory.",
        *_sections(Config, "", "A run"),
        _priors_manual(),
        _catalogue_manual(),
        CUTOUTS,
    ]
    return "\n\n".join(parts) + "\n"


def _sections(model: type[pydantic.BaseModel], prefix: str, title: str) -> Iterator[str]:
    inner = [(n, s) for n, f in model.model_fields.items() if (s := section_of(f.annotation))]
    plain = [n for n, f in model.model_fields.items() if not section_of(f.annotation)]
    rows = [(f"`{prefix}{n}`", *_row(model, n)) for n in plain]
    doc = " ".join((model.__doc__ or "").split())
    yield f"## {title}\n\n{doc}\n\n" + _table(("key", "default", "values", "meaning"), rows)
    for name, section in inner:
        yield from _sections(section, f"{prefix}{name}.", f"`{prefix}{name}`")


def _row(model: type[pydantic.BaseModel], name: str) -> tuple[str, str, str]:
    field = model.model_fields[name]
    default = "required" if field.is_required() else f"`{flow(field.default)}`"
    return default, allowed(model, name), str(field.description)


def _priors_manual() -> str:
    rows = []
    for name, model in PRIORS.items():
        rows.append(
            (f"`{name}`", ", ".join(f"`{key}`" for key in model.arguments()), " ".join((model.__doc__ or "").split()))
        )
    units = [(f"`{n}`", d.unit or "1", f"({d.low:g}, {d.high:g})") for n, d in DOMAINS.items()]
    return (
        "## Priors\n\nThe file that `priors` names: block -> profile -> parameter -> `distribution`, its numbers and "
        "`why`, the reason in one line. The sky has no profiles.\n\n"
        + _table(("distribution", "keys", "meaning"), rows)
        + "\n\nParameters that are known by name have a unit, and a prior must stay inside their domain.\n\n"
        + _table(("parameter", "unit", "domain"), units)
        + "\n\nFlux is relative to the cutout: 1 is the total flux above the sky in its used pixels. The sky's "
        "level is in units of the median rms. So the same priors serve images of any depth and unit."
    )


def _catalogue_manual() -> str:
    rows = [(f"`{name}`", "yes" if name in REQUIRED else "", "", "text", meaning) for name, meaning in TEXTS.items()]
    rows += [(f"`{n}`", "", c.unit, c.expected, c.description) for n, c in NUMBERS.items()]
    rows += [
        (
            f"`{OVERRIDE}<block>.<profile>.<parameter>.<key>`",
            "",
            "",
            "a number",
            "that number of a prior, for this lens",
        ),
        (f"`{META}<name>`", "", "", "anything", "a column of your own, passed over"),
    ]
    return (
        "## Catalogue\n\nAn ECSV, CSV or FITS table with a row a lens. An empty cell means `not known`; other columns "
        "are refused, so that a misspelt one is not passed over in silence. In a text file a row is one line, without control "
        "characters; after the column names a line that begins with # must not look like a row.\n\n"
        + _table(("column", "needed", "unit", "values", "meaning"), rows)
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


CUTOUTS = """\
## Cutouts

Files from archives are read [as they are](products.md). lensmill's own form is one FITS file a lens (plain,
gzipped or with compressed images), its extensions known by EXTNAME:

| extension | needed | content |
| --- | --- | --- |
| `SCI` | yes | the image, sky subtracted, with `BUNIT` and a WCS (equatorial, square pixels) |
| `RMS` | yes, or see below | standard deviation of a pixel's noise, Poisson noise included, in the unit of `SCI` |
| `PSF` | yes, or see below | the point-spread function on the image's pixels or on finer ones, centred, sum 1 |
| `MASK` | | 1 where a pixel is used, 0 where not; without it all are used. It always holds; `preparation.masking` adds to it |

- Without `RMS` the noise is sqrt(background_rms^2 + max(SCI, 0) / exposure_time): SCI in electron/s, background_rms in
  electron/s (the catalogue's column or the keyword `BKGRMS`), exposure_time in s (column or keyword `EXPTIME`). A background
  that is not stated is measured in the cutout's sky; without an exposure time either, it is all the noise there is.
- Without `PSF` a Moffat profile stands in, as wide as the catalogue's `psf_fwhm` says, or as the instrument and filter in the
  header (`INSTRUME`, `DETECTOR`, `FILTER`) make it. The lens is flagged, unless `certificate.modelled_psf` allows it.
- Pixel scale, orientation and parity come from the WCS at the cutout's centre, `CD` or `PC` and `CDELT`, distortions
  included. Without a WCS the catalogue's `pixel_scale` serves and position angles are unknown.
- `MASKUSE` = 0 in the header of `MASK`, or the catalogue's `mask_use`, says that 0 means use. Where `MASK` would leave out the
  image's middle, one of them has to say which it is.
- Pixels that are masked may hold anything, NaN and an rms of 0 included. With `masking` = `auto` pixels without a value or
  an error are masked, however many, but for the image's middle.
- Exact zeros among fractions are taken for blank and masked with `masking` = `auto`. Where they are more than a fifth of the
  used pixels, the keyword `ZEROS` in the header of `SCI`, or the catalogue's `zeros`, has to say `blank` or `data`.
- The catalogue's `ra` and `dec` have to lie in the image, within 5 arcsec; units of `SCI` and `RMS` may be spelt differently, but
  have to be one.
- A PSF may be sampled up to 10 times finer than the image, by a whole number: its header's `PIXELSCL` or `PIXSCALE` (side
  of its pixels, arcsec), `OVERSAMP`, `PSF_SAMP` (its pixels in those of the image), its own WCS or
  [another card](products.md) says so, or the catalogue's `psf_supersampling`. All that are there have to agree, and one is
  needed where the PSF is far from as wide as its instrument's. It is what a star would look like on pixels so fine, and light is
  convolved on these. One that holds the response of the image's own pixels (an effective PSF) belongs on those.
- A PSF whose sum is within 1 % of 1 is normalised. One with an even number of rows or columns gets one more, so that
  its light is on the middle pixel: by a line of zeros where it was on a pixel, by a half-pixel shift (Fourier, nothing
  is broadened) where it was between two.
- A lens with an unusable cutout is `invalid input` with the reasons; the survey goes on without it."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if the generated files agree with the models, or were written; 1 if they do not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's root")
    options = parser.parse_args(arguments)
    stale = drifted(options.root)
    for path in stale:
        if options.write:
            write_text(options.root / path, documents()[path])
        print(f"{path}: {'written' if options.write else 'not what the models say; run with --write'}")
    return 1 if stale and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
