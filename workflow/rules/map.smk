# In: the cutouts of a batch. Out: the maximum a posteriori of each lens (lenses/*/map.npz) and the batch's manifest.
rule map:
    input:
        decided=decide,
        catalogue=ancient(SCHEDULE.config.catalogue),
        weights=SCHEDULE.weights or [],
        cutouts=lambda wildcards: SCHEDULE.batch_cutouts(wildcards.batch),
    output:
        manifest=manifest("map"),
    log:
        f"{LOGS}/map/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/map/{{batch}}.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(240),
    params:
        config=CONFIG_FILE,
        lenses=lambda wildcards: SCHEDULE.batches[wildcards.batch],
    script:
        "../scripts/map.py"
