"""Rehearse a survey: with this folder on PYTHONPATH jobs sleep where they would fit, and write results of the usual size.

All else is the real workflow: rules, jobs, cutouts read and checked, keys, files written whole, manifests, catalogue, report.
LENSMILL_REHEARSAL is the time of sleep for a lens and step in seconds. Python imports this module by itself when it starts;
only processes that run a script of the workflow pay for it.
"""

import sys

if sys.orig_argv[-1].endswith((".map.py", ".sample.py", ".diagnose.py", ".pages.py")):
    import rehearse

    rehearse.install()
