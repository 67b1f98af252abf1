# In: the certified lenses of the catalogue. Out: mean and scatter of their population, and its page. A target of its own.
rule population:
    input:
        config=RUN.config,
        catalogue=rules.catalogue.output.parquet,
        manifests=manifests("diagnose"),
    output:
        draws=RUN.population,
        page=report(
            RUN.population_page,
            caption="../report/population.rst",
            category="Population",
            labels={"what": "mean and scatter"},
        ),
    log:
        f"{LOGS}/population.log",
    benchmark:
        f"{BENCHMARKS}/population.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 1
    resources:
        mem_mb=grown(2000),
        runtime=grown(120),
    params:
        config=CONFIG_FILE,
    script:
        "../scripts/population.py"
