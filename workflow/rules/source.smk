# In: the config's section `source_network`. Out: galaxies to learn from, and the network that is the prior of the source.
rule galaxies:
    input:
        catalogue=SCHEDULE.config.source_network.galaxies.catalogue or [],
        decided=decide,
    output:
        galaxies=RUN.galaxies,
    log:
        f"{LOGS}/galaxies.log",
    benchmark:
        f"{BENCHMARKS}/galaxies.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 2
    resources:
        mem_mb=grown(4000),
        runtime=grown(120),
    params:
        config=CONFIG_FILE,
    script:
        "../scripts/galaxies.py"


rule train:
    input:
        galaxies=rules.galaxies.output.galaxies,
    output:
        weights=RUN.weights,
        losses=RUN.root / "source" / "losses.json",
        curves=report(
            RUN.root / "source" / "curves.png",
            caption="../report/curves.rst",
            category="Source network",
            labels={"what": "losses in training"},
        ),
        samples=report(
            RUN.root / "source" / "samples.png",
            caption="../report/samples.rst",
            category="Source network",
            labels={"what": "galaxies drawn from it"},
        ),
        reconstructions=report(
            RUN.root / "source" / "reconstructions.png",
            caption="../report/reconstructions.rst",
            category="Source network",
            labels={"what": "galaxies beside what it makes of them"},
        ),
    log:
        f"{LOGS}/train.log",
    benchmark:
        f"{BENCHMARKS}/train.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    # its convolutions keep 1.1 cores busy
    threads: 1
    resources:
        mem_mb=grown(8000),
        runtime=grown(240),
    params:
        config=CONFIG_FILE,
    script:
        "../scripts/train.py"
