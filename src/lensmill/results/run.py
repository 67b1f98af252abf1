"""The results of a run as a notebook takes them: tables, ArviZ data trees, xarray datasets, read when they are asked for."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lensmill.config import Config, ConfigError
from lensmill.config import load as load_config
from lensmill.conventions.arrays import evenly_spaced
from lensmill.errors import Problem
from lensmill.results.certificate import Certificate
from lensmill.results.layout import RunFolder
from lensmill.results.store import PREDICTED, read_arrays, read_certificate, read_images, read_posterior
from lensmill.status import FITTED, Status

if TYPE_CHECKING:
    import xarray as xr
    from astropy.table import Table


@dataclasses.dataclass(frozen=True)
class Lens:
    """One lens of a run; every property reads its file when it is first asked for."""

    folder: RunFolder
    lens_id: str

    @functools.cached_property
    def certificate(self) -> Certificate:
        """What became of the lens, every check, and every parameter in numbers."""
        return read_certificate(self.folder.certificate(self.lens_id), self.lens_id)

    @property
    def status(self) -> Status:
        """What became of the lens; pending where it has no certificate."""
        return self.certificate.status if self.folder.certificate(self.lens_id).exists() else Status.PENDING

    @functools.cached_property
    def posterior(self) -> "xr.DataTree":
        """The draws as ArviZ takes them: groups `posterior` and `sample_stats`, dimensions chain and draw."""
        return read_posterior(self.folder.posterior(self.lens_id))

    @functools.cached_property
    def bands(self) -> "dict[str, xr.Dataset]":
        """The images of every band that was fitted, the reference image's first."""
        return read_images(self.folder.images(self.lens_id))

    @property
    def images(self) -> "xr.Dataset":
        """The reference image: data, model, residual and the rest in the image plane, the source on its own, arcsec."""
        return next(iter(self.bands.values()))

    @property
    def derived(self) -> "xr.Dataset":
        """Draws of the quantities that follow from the parameters, such as the magnification."""
        return self.images[[name for name in self.images if self.images[name].dims == (PREDICTED,)]]

    @functools.cached_property
    def maximum(self) -> dict[str, np.ndarray]:
        """The maximum a posteriori: the value of every parameter by its name in the posterior."""
        arrays = read_arrays(self.folder.map(self.lens_id), ("base",))
        return {name.removeprefix("value_"): value for name, value in arrays.items() if name.startswith("value_")}


@dataclasses.dataclass(frozen=True)
class Run(Mapping[str, Lens]):
    """A run's results: a mapping from the id of every lens of the input to its `Lens`, in the order of the input."""

    folder: RunFolder

    @functools.cached_property
    def config(self) -> Config:
        """The configuration, with every key."""
        return load_config(self.folder.config)

    @functools.cached_property
    def catalogue(self) -> "Table":
        """The catalogue as an Astropy table, with units and descriptions."""
        from lensmill.results.catalogue import read_catalogue

        if not self.folder.catalogue_parquet.exists():
            hint = "finish the run, or write the catalogue of what is there: lensmill report CONFIG"
            raise ConfigError(
                [Problem(str(self.folder.catalogue_parquet), "the run's catalogue", "no such file", hint)]
            )
        return read_catalogue(self.folder.catalogue_parquet)

    @property
    def certified(self) -> list[str]:
        """The ids of the certified lenses."""
        chosen = self.catalogue["status"] == Status.CERTIFIED.value
        return [str(lens_id) for lens_id in self.catalogue["lens_id"][chosen]]

    @property
    def fitted(self) -> list[str]:
        """The ids of the lenses that have a posterior, certified or not."""
        return [str(row["lens_id"]) for row in self.catalogue if row["status"] in FITTED]

    def draws(self, names: Sequence[str], lens_ids: Sequence[str] | None = None, number: int = 1000) -> "xr.Dataset":
        """Evenly spaced draws of some parameters of some lenses (the certified ones), dimensions (lens, sample)."""
        import xarray as xr

        chosen = self.certified if lens_ids is None else list(lens_ids)
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for lens_id in chosen:
            sampled = self[lens_id].posterior["posterior"]
            for name in names:
                flat = sampled[name].to_numpy().reshape(-1)
                found[name].append(flat[evenly_spaced(flat.size, number)])
        arrays = {name: (("lens", "sample"), np.stack(rows)) for name, rows in found.items() if rows}
        return xr.Dataset(arrays, {"lens": chosen})

    @functools.cached_property
    def _ids(self) -> dict[str, None]:
        return dict.fromkeys(str(lens_id) for lens_id in self.catalogue["lens_id"])

    def __getitem__(self, lens_id: str) -> Lens:
        if lens_id not in self._ids:
            raise KeyError(f"no lens {lens_id!r} in {self.folder.root}")
        return Lens(self.folder, lens_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"<lensmill run {self.folder.root}>"


def open_run(results: str | Path) -> Run:
    """The run in a folder `results/<run>`, or the one that a config file describes; ConfigError where there is none."""
    path = Path(results)
    folder = RunFolder(load_config(path).folder if path.is_file() else path)
    if not folder.config.exists():
        hint = "name the folder results/<run> of a run that has begun, or its config file"
        raise ConfigError([Problem(str(folder.root), "the results of a run", f"no {folder.config.name}", hint)])
    return Run(folder)
