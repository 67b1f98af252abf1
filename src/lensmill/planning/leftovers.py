"""Results of lenses that are no longer in the input. They stay until `lensmill clean --delete` removes them."""

import shutil
from pathlib import Path
from urllib.parse import unquote

from lensmill.planning.commands import clean_command
from lensmill.planning.schedule import Schedule
from lensmill.results.layout import file_name

PAGES = (".html", ".webp")


def left_over(plan: Schedule) -> dict[str, tuple[Path, ...]]:
    """Folders and pages of lenses that are not in the input, by the lens's name."""
    folder = plan.folder
    known = {file_name(lens_id) for lens_id in plan.cutouts}
    found: dict[str, list[Path]] = {}
    lenses, pages = folder.root / "lenses", folder.report.parent / "lenses"
    results = [(path.name, path) for path in lenses.glob("*") if path.is_dir() and not path.is_symlink()]
    results += [(path.stem, path) for path in pages.glob("*") if path.suffix in PAGES]
    for name, path in sorted(results):
        if name not in known and not name.startswith("."):
            found.setdefault(unquote(name), []).append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def remove(paths: tuple[Path, ...]) -> None:
    """Remove a lens's folder and pages."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def in_words(found: dict[str, tuple[Path, ...]], config: str | Path, most: int = 10) -> str:
    """What is left over, and what to do about it; empty where nothing is."""
    if not found:
        return ""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    names = ", ".join(list(found)[:most]) + more
    return f"left over from lenses that the input has no more: {names}; `{clean_command(config)}` shows it"
