# In: the certificates of all lenses. Out: one row for every lens of the input, and the report that opens offline.
rule catalogue:
    input:
        config=RUN.config,
        validation=RUN.validation,
        manifests=manifests("diagnose"),
    output:
        ecsv=report(
            RUN.catalogue_ecsv,
            caption="../report/catalogue.rst",
            category="Survey",
            labels={"what": "catalogue"},
        ),
        parquet=RUN.catalogue_parquet,
    log:
        f"{LOGS}/catalogue.log",
    benchmark:
        f"{BENCHMARKS}/catalogue.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        made_of=SCHEDULE.digest("catalogue"),
        redo=redo("catalogue"),
    script:
        "../scripts/catalogue.py"


rule report:
    input:
        config=RUN.config,
        validation=RUN.validation,
        manifests=manifests("diagnose"),
        pages=manifests("pages"),
        catalogue=rules.catalogue.output.ecsv,
    output:
        index=report(
            RUN.report,
            caption="../report/survey.rst",
            category="Survey",
            labels={"what": "every lens"},
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{BENCHMARKS}/report.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(30),
    params:
        made_of=SCHEDULE.digest("pages"),
        redo=redo("report"),
    script:
        "../scripts/report.py"
