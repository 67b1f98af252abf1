# In: one config file. Out: SCHEDULE, the run as jobs (its config, the lenses of every batch), and RUN, its results folder.
import sys
from pathlib import Path

from lensmill.errors import DamagedResult, InputError
from lensmill.files.atomic import CannotWrite
from lensmill.planning.currency import stale_results
from lensmill.planning.running import clear_locks, refuse_unwritable
from lensmill.planning.schedule import ending, schedule
from lensmill.results.steps import ALL, STEPS

if len(workflow.configfiles) != 1:
    raise WorkflowError(
        "lensmill: expected one --configfile, e.g. --configfile config/demo.yaml"
    )
if workflow.config_settings.config:
    raise WorkflowError(
        "lensmill: --config is not read: change a copy of the config file, so that it tells the whole run"
    )

if " " in sys.executable:
    raise WorkflowError(
        f"lensmill: {sys.executable} has a space in its path, and Snakemake cannot start jobs by it: make the environment "
        "in a folder without one; the survey itself may lie anywhere"
    )

CONFIG_FILE = str(workflow.configfiles[0])
try:
    SCHEDULE = schedule(CONFIG_FILE)
except (InputError, DamagedResult) as error:
    raise WorkflowError(f"lensmill: this survey cannot run\n{error}")
RUN = SCHEDULE.folder
LOGS = f"{RUN.root}/logs"
BENCHMARKS = f"{RUN.root}/benchmarks"
DECIDED = []
if workflow.is_main_process:
    try:
        refuse_unwritable(RUN.root)
    except CannotWrite as error:
        raise WorkflowError(f"lensmill: this survey cannot run\n{error}")
    clear_locks(RUN.root, Path(".snakemake"))


wildcard_constraints:
    batch=r"\d+",


localrules:
    all,


def grown(first):
    """A resource that is `first` at the first attempt at a job, and twice as much at each that follows."""
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


def manifest(step):
    """The manifest of a step, `{batch}` left open."""
    return str(RUN.manifest(step, "{batch}"))


def manifests(step):
    """The manifests of a step for every batch."""
    return [str(RUN.manifest(step, batch)) for batch in SCHEDULE.batches]


def decide(wildcards):
    """Have the contents of results decide what runs, not Snakemake's records or the times of files; an input of no file.

    Called while the graph of jobs is built: results that are there and not current are marked to be made anew. A job that was
    killed is run again without a word from the user.
    """
    if workflow.is_main_process and not DECIDED:
        DECIDED.append(True)
        workflow.dag_settings.rerun_triggers = frozenset()
        workflow.dag_settings.force_incomplete = True
        asked = set(workflow.dag_settings.targets)
        targets = asked if asked and asked <= set(STEPS) else ALL
        stale = stale_results(SCHEDULE, targets, CONFIG_FILE, keep=not workflow.dryrun)
        workflow.dag.forcefiles.update(str(path) for path in stale)
    return []


# No rule: others would have to wait for it and take its output as ancient, and of a job that has such an input from a job
# that runs, Snakemake 9 no longer looks whether its own settings have changed.
onstart:
    from lensmill.model.parameters import known_parameters
    from lensmill.files.atomic import CannotWrite
    from lensmill.planning.running import FolderInUse, hold
    from lensmill.survey.validation import refuse

    try:
        refuse(SCHEDULE.config, known_parameters())
        hold(RUN.root)
    except (InputError, FolderInUse, CannotWrite) as error:
        raise WorkflowError(f"lensmill: this survey cannot run\n{error}")


onsuccess:
    print(ending(SCHEDULE))
