"""Batch jobs: the work of Snakemake's rules on a few lenses each. A lens that fails is a row with a status, not an error.

Results are written lens by lens, whole or not at all, each with the key of what made it; a lens whose key still matches is
not computed again. What a job promises to Snakemake is only its manifest, so a killed job loses the block in hand at most.
"""

from lensmill.jobs.diagnose import run_diagnose
from lensmill.jobs.lens import Survey, open_survey
from lensmill.jobs.map import run_map
from lensmill.jobs.sample import run_sample

__all__ = ["Survey", "open_survey", "run_diagnose", "run_map", "run_sample"]
