# In: the config's section `simulate`. Out: a mock survey in the form of a real one: catalogue, FITS cutouts, truths.
if SCHEDULE.config.simulate:

    rule simulate:
        input:
            decided=decide,
            weights=(
                SCHEDULE.weights if SCHEDULE.config.simulate.source == "neural" else []
            ),
        output:
            catalogue=SCHEDULE.config.catalogue,
            truth=SCHEDULE.truth,
            cutouts=list(SCHEDULE.cutouts.values()),
        log:
            f"{LOGS}/simulate.log",
        benchmark:
            f"{BENCHMARKS}/simulate.jsonl"
        conda:
            "../../envs/lensmill.yaml"
        threads: 1
        resources:
            mem_mb=grown(4000),
            runtime=grown(60),
        params:
            config=CONFIG_FILE,
        script:
            "../scripts/simulate.py"
