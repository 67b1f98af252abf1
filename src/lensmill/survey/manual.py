"""docs/products.md, written from the adapters of archives' products and their dictionaries of flags."""

from collections.abc import Iterator, Sequence

from lensmill.survey.products import ADAPTERS
from lensmill.survey.products.base import BEARING_CARDS, Adapter
from lensmill.survey.products.flags import EXPOSURE_ONLY, HARMLESS, UNUSABLE, Dictionary
from lensmill.survey.products.ground import DES_BITS, EUCLID_BITS, LEGACY_BITS
from lensmill.survey.products.jwst import DQ
from lensmill.survey.psf_scale import SIDES

DICTIONARIES = {"JWST": DQ, "DES": DES_BITS, "Euclid MER": EUCLID_BITS, "Legacy Surveys": LEGACY_BITS}
INTRODUCTION = """\
# Files as archives deliver them

Written by `make docs` from the adapters in `src/lensmill/survey/products`.

A folder of files that archives deliver is a survey as it is. What a file is follows from what it says. `lensmill init` and
`lensmill validate` show it ("read as: JWST i2d"), and name everything that bears on the fit and is not used.

- **Separate files.** Planes in files of one name are one lens: `x_sci.fits`, `x_wht.fits`, `x_psf.fits`; a Euclid tile's
  `BGSUB-MOSAIC`, `RMS`, `FLAG` and `CATALOG-PSF`; a brick's `image-r`, `invvar-r` and `maskbits`. The catalogue names the image.
- **Flags** leave a pixel out by what they mean, and not by being set. The file's own dictionary counts, else the instrument's
  published one. The catalogue's columns `mask_flags` and `leave_flags` have the last word. The lens's page says which flag left
  out how many pixels. Flags that would leave out most of the lens are refused.
- **Noise.** A variance of the sky alone gets the photon noise of lens and arcs, from exposure time and gain. Where the header has
  no gain, that is said, and the catalogue's column `gain` gives it. Blank sky has the last word (`preparation.noise`).
- **Weights** are inverse variances or exposure times: by the product, by the catalogue's column `weights`, or by the pixels where
  they can be only one of the two. Else the lens is refused with the question.
- **PSF.** It is a plane of the file, a file of the same name, or the config's file for the band (`psf.files`), in this order. One
  that holds many stamps with a table of their places (`RA`, `Dec`) gives the nearest one, or a mean of four (`psf.between`). A
  mosaic of stamps says `STMPSIZE` and has columns `x_center` and `y_center`. Without any the [modelled
  PSF](configuration.md#cutouts) stands in."""
MAGNITUDES = """\
- **Magnitudes.** Where the zero point is known, the catalogue of results and the lens's page have AB magnitudes and flux
  densities of the lens and of the source. Their errors are those of the posterior, without the zero point's own."""


def products_page() -> str:
    """The page: what holds for all products, each product, every flag."""
    finer = ", ".join(f"`{name}`" for name in SIDES)
    sampling = (
        f"- **Sampling of the PSF.** By {finer} (arcsec), `OVERSAMP`, `PSF_SAMP` (pixels of the image), or the stamp's own WCS; "
        "all that are there have to agree."
    )
    cards = ", ".join(f"`{card}`" for card in BEARING_CARDS)
    named = f"- **Not used.** Planes and tables that a product does not read, and of these cards those that it does not: {cards}."
    parts = ["\n".join([INTRODUCTION, sampling, MAGNITUDES, named]), _overview()]
    parts += [_product(adapter) for adapter in ADAPTERS]
    return "\n\n".join([*parts, _names(), *_bits()]) + "\n"


def _code(names: str) -> str:
    return f"`{names}`"


def _overview() -> str:
    rows = []
    for adapter in ADAPTERS:
        planes, cards = (
            ", ".join(_code(n) for n, use in table.items() if use) for table in (adapter.planes, adapter.cards)
        )
        rows.append((adapter.name, planes, cards, ", ".join(map(_code, adapter.passed_over))))
    head = ("product", "planes read", "cards read", "planes named as not used")
    return "## The products\n\n" + _table(head, rows)


def _product(adapter: Adapter) -> str:
    rows = [(_code(name), use) for name, use in (*adapter.planes.items(), *adapter.cards.items()) if use]
    dropped = [f"`{name}` ({why})" for name, why in adapter.passed_over.items()]
    text = f"## {adapter.name}\n\nTold by {adapter.told_by}. Source: {adapter.source}.\n\n" + _table(
        ("read", "used as"), rows
    )
    return text + (f"\n\nNamed as not used: {', '.join(dropped)}." if dropped else "")


def _names() -> str:
    rows = [
        (_code(name), meaning, what)
        for meanings, what in ((UNUSABLE, "leaves the pixel out"), (HARMLESS, "leaves it in"))
        for name, meaning in meanings.items()
    ]
    strict = " and ".join(map(_code, sorted(EXPOSURE_ONLY)))
    about = f"Of files that name their bits by cards `MP_<name>`. In a single exposure {strict} leave a pixel out, too."
    return f"## Flags by name\n\n{about}\n\n" + _table(("flag", "meaning", "what it does"), rows)


def _bits() -> Iterator[str]:
    for title, bits in DICTIONARIES.items():
        yield f"## Flags of {title}\n\n{_choice(bits)}"


def _choice(bits: Dictionary) -> str:
    out, kept = (
        ", ".join(f"`{name}` (2^{bit})" for bit, (name, _, masks) in bits.items() if masks is which)
        for which in (True, False)
    )
    return f"Leave a pixel out: {out or 'SATUR and ALLMASK of the own band'}. Leave it in: {kept or 'all others'}."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
