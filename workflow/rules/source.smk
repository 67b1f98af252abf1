# In: the config's section `source_network`. Out: galaxies to learn from, and the network that is the prior of the source.
rule galaxies:
    input:
        SCHEDULE.config.source_network.galaxies.catalogue or [],
    output:
        galaxies=RUN.root / "source" / "galaxies.npz",
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
        made_of=SCHEDULE.digest("galaxies"),
    script:
        "../scripts/galaxies.py"


rule train:
    input:
        galaxies=rules.galaxies.output.galaxies,
    output:
        weights=RUN.root / "source" / "weights.msgpack",
        losses=RUN.root / "source" / "losses.json",
        curves=RUN.root / "source" / "curves.png",
        samples=RUN.root / "source" / "samples.png",
        reconstructions=RUN.root / "source" / "reconstructions.png",
    log:
        f"{LOGS}/train.log",
    benchmark:
        f"{BENCHMARKS}/train.jsonl"
    conda:
        "../../envs/lensmill.yaml"
    threads: 2
    resources:
        mem_mb=grown(8000),
        runtime=grown(240),
    params:
        config=CONFIG_FILE,
        made_of=SCHEDULE.digest("train"),
    script:
        "../scripts/train.py"
