# In: the certificates of a mock survey and its truths. Out: whether its posteriors mean what they say. A target of its own.
if SCHEDULE.config.simulate:

    rule calibration:
        input:
            config=RUN.config,
            validation=RUN.validation,
            truth=SCHEDULE.truth,
            manifests=manifests("diagnose"),
        output:
            figures=RUN.calibration,
            page=report(
                RUN.calibration_page,
                caption="../report/calibration.rst",
                category="Checks",
                labels={"what": "calibration"},
            ),
        log:
            f"{LOGS}/calibration.log",
        benchmark:
            f"{BENCHMARKS}/calibration.jsonl"
        conda:
            "../../envs/lensmill.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            config=CONFIG_FILE,
        script:
            "../scripts/calibration.py"
