"""Commands before a run: a survey's first files, and the galaxies that its sources are learnt from."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lensmill.cli.common import AsJson, refusing
from lensmill.files.shipped import project

if TYPE_CHECKING:
    from lensmill.sourcenet.dataset import Dataset
    from lensmill.survey.validation import Validation

Force = Annotated[bool, typer.Option("--force", help="write the config anew where there is one")]
CATALOGUE = "catalogue.ecsv"
REAL = project() / "config" / "slacs.yaml"  # settings that suit cutouts with the lens galaxy's light in them
OF_A_RUN = ("run", "seed", "catalogue", "priors", "batch_size", "simulate")  # and not of how its lenses are fitted
FINE = 0.055  # arcsec: rays this close serve galaxies as HST sees them
QUICK: dict[str, Any] = {
    f"inference.{name}": number
    for name, number in {
        "starts": 12, "chains": 2, "warmup": 20, "round": 20, "max_rounds": 2, "rungs": 0, "max_tree_depth": 4,
    }.items()
}  # fmt: skip


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the cutouts are, one FITS file a lens")],
    run: Annotated[str, typer.Option("--run", help="name of the run; else that of the folder")] = "",
    config: Annotated[Path | None, typer.Option("--config", help="the config to write; else RUN.yaml here")] = None,
    like: Annotated[
        Path,
        typer.Option(
            "--like", help="a config whose settings the new one begins with", show_default="config/slacs.yaml"
        ),
    ] = REAL,
    source: Annotated[
        str, typer.Option("--source", help="neural, sersic, shapelets or pixels; else as in --like")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="a small budget: a first look, hardly a certificate")] = False,
    force: Force = False,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="the catalogue to write; else FOLDER/catalogue.ecsv")
    ] = None,
) -> None:
    """Begin a survey: write the catalogue of a folder of FITS cutouts and a commented config, and check all of it.

    Files are read as archives deliver them (HST, JWST, Euclid, Rubin, HSC, DES, Legacy Surveys), or in our own form; planes in
    separate files of one name are one lens. What each was read as, and what of it is not used, is said.

    The catalogue, FOLDER/catalogue.ecsv, has a row a lens; fill in redshifts where they are known. Where there is one, its rows
    stay, and files that it does not name are added to it. The config has the settings of config/slacs.yaml, for real images
    with the lens galaxy's light in them, or of another one (--like), with more rays a pixel where pixels are coarse. One that is
    there is kept as it is, unless --force is given; it must be of the same catalogue. Read it and change it: `lensmill validate`
    checks it again.

    Example: lensmill init data/mine --run mine

    Exit code 0: all is well. 1: written, but some cutouts are invalid, the reasons are printed. 2: nothing could be written,
    or the survey cannot run.
    """
    from lensmill.cli.words import readable
    from lensmill.model.parameters import known_parameters
    from lensmill.planning.commands import run_command

    with refusing():
        from lensmill.planning.commands import run_command
        from lensmill.survey.validation import validate

        name = run or folder.resolve().name
        path = config or Path(f"{name}.yaml")
        settings = settings_of(like) | ({"model.source": source} if source else {})
        table = catalogue or folder / CATALOGUE
        chosen = {"run": name, "catalogue": str(table), **settings}
        chosen |= QUICK if quick else {}
        fresh = force or not path.exists()
        if not fresh:
            _check_kept(path, table)
        done = [_begin(folder, table)]
        if fresh:
            _write_config(path, chosen)
        validation = validate(path, known_parameters)
        rays = _rays_for(validation)
        if fresh and rays > chosen["model.supersampling"]:
            _write_config(path, chosen | {"model.supersampling": rays})
            done.append(f"model.supersampling: {rays}, for the coarsest of the pixels")
    typer.echo(readable(path, validation))
    done.append(
        f"config: {path}"
        + (
            ""
            if fresh
            else " (kept as it was: its settings count, not the options of this command; --force writes it anew)"
        )
    )
    typer.echo("\n".join(done))
    typer.echo(f"next: {run_command(path)}")
    raise typer.Exit(validation.exit_code)


def _check_kept(path: Path, catalogue: Path) -> None:
    """ConfigError where the config that is there belongs to another catalogue: its run is another survey."""
    from lensmill.config import load
    from lensmill.errors import ConfigError, Problem

    other = load(path).catalogue
    if other.resolve() != catalogue.resolve():
        hint = "--config names another file, --run another run, and --force writes this one anew"
        raise ConfigError([Problem(str(path), f"a config of {catalogue}", f"catalogue: {other}", hint)])


def settings_of(path: Path) -> dict[str, Any]:
    """What a config says, by dotted names, but for what belongs to its own run; ConfigError where it is wrong."""
    from pydantic import BaseModel

    from lensmill.config import load

    def dotted(section: Iterable[tuple[str, Any]], prefix: str = "") -> Iterator[tuple[str, Any]]:
        for name, value in section:
            if isinstance(value, BaseModel):
                yield from dotted(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    return {name: value for name, value in dotted(load(path)) if name.partition(".")[0] not in OF_A_RUN}


def _begin(folder: Path, catalogue: Path) -> str:
    """Write the catalogue of a folder of cutouts, or add to it; what was done, in words."""
    from lensmill.errors import ConfigError, Problem
    from lensmill.files.atomic import CannotWrite
    from lensmill.survey.template import begin_catalogue

    kept = catalogue.exists()
    try:
        rows = begin_catalogue(folder, catalogue)
    except CannotWrite as error:
        hint = "have it written elsewhere: --catalogue PLACE/catalogue.ecsv; the cutouts stay where they are"
        got = os.strerror(error.errno or 0)
        raise ConfigError([Problem(str(catalogue), "a catalogue that can be written", got, hint)]) from error
    return f"catalogue: {catalogue} ({rows} rows added{', the others are as they were' if kept else ''})"


def _write_config(path: Path, chosen: dict[str, Any]) -> None:
    """Write a config with every key and its meaning."""
    from lensmill.config.skeleton import skeleton
    from lensmill.files.atomic import write_text

    write_text(path, skeleton(chosen))


def _rays_for(validation: "Validation") -> int:
    """How many rays along a pixel's side bring them as close as `FINE` in every sound cutout."""
    from lensmill.config import MOST_RAYS

    coarsest = max((lens.pixel_scale for lens in validation.lenses if lens.pixel_scale), default=0.0)
    return min(max(math.ceil(coarsest / FINE), 1), MOST_RAYS)


def galaxies(
    dataset: Annotated[Path, typer.Argument(metavar="GALAXIES", help="a galaxies.npz, or the config of a run")],
    sheet: Annotated[Path | None, typer.Option("--sheet", help="draw some of them into this PNG")] = None,
    as_json: AsJson = False,
) -> None:
    """Describe the galaxies that a source network learns from, and show some.

    Example: lensmill galaxies config/demo.yaml --sheet galaxies.png

    Exit code 0: as it should be. 2: there are none, or the file is damaged.
    """
    from lensmill.sourcenet.dataset import read

    with refusing():
        path = _of_run(dataset) if dataset.suffix in (".yaml", ".yml") else dataset
        found = read(path)
        if sheet is not None:
            from lensmill.sourcenet.sheets import write_galaxies

            write_galaxies(sheet, found.stamps)
    typer.echo(json.dumps(found.card, indent=1) if as_json else described(path, found))


def _of_run(config: Path) -> Path:
    from lensmill.config import load

    return load(config).folder / "source" / "galaxies.npz"


def described(path: Path, dataset: "Dataset") -> str:
    """A dataset for people: what it is, and the percentiles of its population."""
    card = dataset.card
    percentiles = card["percentiles"]
    kind = f"RealGalaxy, {card['catalogue']}" if card["kind"] == "RealGalaxy" else card["kind"]
    width = max(map(len, card["statistics"]))
    lines = [f"{path}: {card['number']} galaxies ({kind}), {card['side']} x {card['side']} pixels, seed {card['seed']}"]
    lines.append(f"{'percentile':{width}s} " + " ".join(f"{p:>9g}" for p in percentiles))
    lines += [f"{name:{width}s} " + " ".join(f"{v:9.4g}" for v in row) for name, row in card["statistics"].items()]
    return "\n".join(lines)
