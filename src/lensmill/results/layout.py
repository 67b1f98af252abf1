"""Where the files of a run lie."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from lensmill.config.models import RESOLVED
from lensmill.results.certificate import ManifestRow
from lensmill.results.steps import STEPS
from lensmill.status import Status

END = b"</html>\n"  # of a page
LONGEST_NAME = 120  # characters; file systems allow 255 bytes for a name with its suffix


def file_name(lens_id: str) -> str:
    """The name of a lens's files: its id, with whatever a file system or a URL could misread percent-encoded."""
    name = quote(lens_id, safe="+").replace("~", "%7E")
    if set(name) <= {"."}:
        name = name.replace(".", "%2E") or "%"
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 17]}~{sha256(lens_id.encode()).hexdigest()[:16]}"
    return name


@dataclass(frozen=True)
class RunFolder:
    """The layout of `results/<run>/`."""

    root: Path

    @property
    def config(self) -> Path:
        """The configuration as the run used it."""
        return self.root / RESOLVED

    @property
    def validation(self) -> Path:
        """What the checks of the input found."""
        return self.root / "validation.json"

    @property
    def hashes(self) -> Path:
        """Hashes of input files, remembered."""
        return self.root / "state" / "hashes.json"

    @property
    def catalogue_ecsv(self) -> Path:
        """The aggregated catalogue, as text with units."""
        return self.root / "catalogue.ecsv"

    @property
    def catalogue_parquet(self) -> Path:
        """The aggregated catalogue, as columns."""
        return self.root / "catalogue.parquet"

    @property
    def report(self) -> Path:
        """The first page of the report."""
        return self.root / "report" / "index.html"

    @property
    def order(self) -> Path:
        """The order of the lenses, for the pages' links to the next one."""
        return self.report.with_name("order.js")

    @property
    def galaxies(self) -> Path:
        """The galaxies that the source network learns from."""
        return self.root / "source" / "galaxies.npz"

    @property
    def weights(self) -> Path:
        """The weights of the network that this run trains."""
        return self.root / "source" / "weights.msgpack"

    def made(self, step: str) -> Path:
        """What the results of a step that concerns the whole run were made of."""
        return self.root / "state" / "made" / f"{step}.json"

    @property
    def calibration(self) -> Path:
        """What the posteriors of a mock survey say beside its truths."""
        return self.root / "calibration.json"

    @property
    def calibration_page(self) -> Path:
        """The same in the report."""
        return self.report.with_name("calibration.html")

    @property
    def population(self) -> Path:
        """Draws of the mean and scatter of the certified lenses' population."""
        return self.root / "population.nc"

    @property
    def population_page(self) -> Path:
        """The report's page of the population."""
        return self.report.with_name("population.html")

    def manifest(self, step: str, batch: str) -> Path:
        """What a batch job (`map`, `sample`, `diagnose`) did with each of its lenses."""
        return self.root / step / f"{batch}.json"

    def lens(self, lens_id: str) -> Path:
        """The folder of one lens."""
        return self.root / "lenses" / file_name(lens_id)

    def certificate(self, lens_id: str) -> Path:
        """What became of a lens, and the evidence."""
        return self.lens(lens_id) / "certificate.json"

    def images(self, lens_id: str) -> Path:
        """Data, model and source of a lens, band by band."""
        return self.lens(lens_id) / "images.nc"

    def posterior(self, lens_id: str) -> Path:
        """The draws of a lens."""
        return self.lens(lens_id) / "posterior.nc"

    def map(self, lens_id: str) -> Path:
        """The warm start of a lens."""
        return self.lens(lens_id) / "map.npz"

    def page(self, lens_id: str) -> Path:
        """The page of a lens in the report."""
        return self.report.parent / "lenses" / f"{file_name(lens_id)}.html"

    def thumbnail(self, lens_id: str) -> Path:
        """Data, model and residual side by side, for the survey's table."""
        return self.page(lens_id).with_suffix(".webp")


def missing_result(folder: RunFolder, step: str, row: ManifestRow) -> Path | None:
    """The first file that a finished step left of a lens and that is gone or emptied; None where all are there.

    That of a lens that failed is the certificate, which says why there is no more.
    """
    failed = row.status is Status.FAILED
    whole = ("certificate",) if failed and step != "pages" else STEPS[step].results[: 1 if failed else None]
    paths = (getattr(folder, name)(row.lens_id) for name in whole)
    return next((path for path in paths if not is_whole(path)), None)


def is_whole(path: Path) -> bool:
    """Whether a result is there and not emptied; of a page, which has no checksum, whether its end is there."""
    try:
        size = path.stat().st_size
        if path.suffix != ".html" or not size:
            return size > 0
        with path.open("rb") as stream:
            stream.seek(max(size - len(END), 0))
            return stream.read().rstrip().endswith(END.strip())
    except FileNotFoundError:
        return False
