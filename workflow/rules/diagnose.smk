# In: the draws of a batch. Out: certificate and images of each lens (lenses/*/), its page in the report, and manifests.
rule diagnose:
    input:
        sampled=rules.sample.output.manifest,
        catalogue=ancient(SCHEDULE.config.catalogue),
        weights=SCHEDULE.weights or [],
    output:
        manifest=manifest("diagnose"),
    log:
        f"{LOGS}/diagnose/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/diagnose/{{batch}}.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(4000),
        runtime=grown(60),
    params:
        config=CONFIG_FILE,
        lenses=lambda wildcards: SCHEDULE.batches[wildcards.batch],
    script:
        "../scripts/diagnose.py"


rule pages:
    input:
        diagnosed=rules.diagnose.output.manifest,
    output:
        manifest=manifest("pages"),
    log:
        f"{LOGS}/pages/{{batch}}.log",
    benchmark:
        f"{BENCHMARKS}/pages/{{batch}}.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(60),
    params:
        config=CONFIG_FILE,
    script:
        "../scripts/pages.py"
