# In: the warm starts of a batch. Out: posterior draws of each lens (lenses/*/posterior.nc) and the batch's manifest.
rule sample:
    input:
        started=rules.map.output.manifest,
        catalogue=ancient(SCHEDULE.config.catalogue),
        weights=SCHEDULE.weights or [],
    output:
        manifest=manifest("sample"),
    log:
        f"{LOGS}/sample/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/sample/{{batch}}.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(720),
    params:
        config=CONFIG_FILE,
        lenses=lambda wildcards: SCHEDULE.batches[wildcards.batch],
    script:
        "../scripts/sample.py"
