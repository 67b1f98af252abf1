"""Tables, figures and pages made from the result files of a run: no physics."""

from lensmill.planning.commands import again
from lensmill.report.calibration import write_calibration
from lensmill.report.index import write_index
from lensmill.report.pages import is_current, write_lens_page, write_plain_page
from lensmill.report.population import write_population_page

__all__ = [
    "again",
    "is_current",
    "write_calibration",
    "write_index",
    "write_lens_page",
    "write_plain_page",
    "write_population_page",
]
