# In: config, priors, catalogue, every cutout. Out: what the door found about each lens, and the config as it is used.
rule validate:
    input:
        decided=decide,
        config=CONFIG_FILE,
        priors=SCHEDULE.config.priors_file,
        catalogue=SCHEDULE.config.catalogue,
        cutouts=[
            path
            for batch in SCHEDULE.batches
            for path in SCHEDULE.batch_cutouts(batch)
        ],
    output:
        validation=RUN.validation,
        config=RUN.config,
    log:
        f"{LOGS}/validate.log",
    benchmark:
        f"{BENCHMARKS}/validate.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 2
    resources:
        mem_mb=grown(2000),
        runtime=grown(60),
    script:
        "../scripts/validate.py"
