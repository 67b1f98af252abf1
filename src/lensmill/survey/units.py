"""Units as headers write them: whether two spellings mean one unit, whatever their case, plurals and powers of ten."""

import functools
import re
import warnings

from astropy import units

LONGEST = 40  # characters
WORDS = {
    **dict.fromkeys(("electron", "electrons", "e-", "e"), "electron"),
    **dict.fromkeys(("count", "counts", "ct", "cts"), "ct"),
    **dict.fromkeys(("adu", "adus", "dn"), "adu"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
}  # what is written in any case: of other units case matters, as between mJy and MJy

SQUARE = re.compile(r"\(([^()]*)\)\s*(?:\*\*|\^)?\s*2")  # which astropy does not read
TOKEN = re.compile(r"(?<![A-Za-z0-9.])(?:[eE]-(?![0-9])|[A-Za-z]+)")


@functools.lru_cache(maxsize=256)
def parsed(text: str) -> units.UnitBase | None:
    """The unit that a header states; None where it is not understood."""
    if not text or len(text) > LONGEST or re.search(r"\d{4}|\*\*\s*\(?\s*[-+]?\s*\d{3}", text):
        return None
    if square := SQUARE.fullmatch(text):
        inner = parsed(square[1])
        return None if inner is None else inner**2
    plain = TOKEN.sub(lambda hit: WORDS.get(hit[0].lower(), hit[0]), text.replace("^", "**"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for form in ("fits", "generic", "vounit", "cds", "ogip"):
            try:
                return units.Unit(plain, format=form)
            except (ValueError, TypeError, OverflowError, ZeroDivisionError):
                continue
    return None


def difference(stated: str, other: str) -> str | None:
    """Why two spellings are not one unit, in words; None where they are.

    Where one of the two is not understood, they are one unit if they are spelt alike but for case and blanks.
    """
    one, two = parsed(stated.strip()), parsed(other.strip())
    if one is None or two is None:
        alike = re.sub(r"\s", "", stated).lower() == re.sub(r"\s", "", other).lower()
        return None if alike else "one of the two is not understood: write both alike"
    if one.is_equivalent(two):
        factor = float(two.to(one))
        return None if abs(factor - 1) < 1e-6 else f"multiply the pixels by {factor:g} and write {stated}"
    if _squared(one, two):
        return "a standard deviation is expected, not a variance: take the square root"
    return "write both in one unit"


def _squared(one: units.UnitBase, two: units.UnitBase) -> bool:
    try:
        return bool((one**2).is_equivalent(two))
    except (units.UnitsError, TypeError):  # a magnitude has no square
        return False


def is_rate(text: str) -> bool:
    """Whether the unit is one of electrons or counts a second."""
    unit = parsed(text.strip())
    return unit is not None and any(unit.is_equivalent(rate) and abs(unit.to(rate) - 1) < 1e-6 for rate in _rates())


def _rates() -> tuple[units.UnitBase, ...]:
    return units.electron / units.s, units.ct / units.s
