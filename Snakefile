# lensmill: a survey of strong lenses in, posteriors with a certificate out. This file is the table of contents.
from snakemake.utils import min_version

min_version("9.18")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/source.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/map.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/diagnose.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/population.smk"


# Everything: the catalogue of posteriors and the report that people read.
rule all:
    default_target: True
    input:
        RUN.report,
        RUN.catalogue_ecsv,
        RUN.catalogue_parquet,
