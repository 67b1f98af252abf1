# Everything runs in .venv, built from envs/lock*.txt. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help install demo test soak check docs lock clean
.DELETE_ON_ERROR:

# Some systems forbid Python to keep bytecode; every process would compile its imports anew.
unexport PYTHONDONTWRITEBYTECODE
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# A GPU once asked for stays: envs/install remembers it.
STAMP := .venv/.installed$(CUDA:%=-cuda%)

# Processes that run tests.
JOBS ?= 2
PYTEST := pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header $(UPGRADE)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

install: $(STAMP) ## build .venv with everything pinned (PYTHON=... chooses the interpreter, CUDA=12 adds a GPU)

$(STAMP): envs/install $(wildcard envs/lock*.txt) pyproject.toml
	@envs/install
	@rm -f .venv/.installed* && touch .venv/.installed $@

demo: install ## simulate a small survey, fit it, write its report
	snakemake --cores all --workflow-profile workflow/profiles/default --configfile config/demo.yaml

test: check ## checks, then tests: all but those of `soak`, then those on pixels in float32; ten minutes on two cores
	$(PYTEST) -m "not soak"
	$(PYTEST) -m "precision and not soak" --precision float32

soak: install ## what takes long: every fault and kill, Slurm, the tutorial, training, samplers, the golden run
	$(PYTEST) -m soak
	$(PYTEST) -m "precision and soak" --precision float32

check: install ## style, types, import order, workflow lint
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow
	mypy
	lint-imports
	snakemake --lint --configfile config/demo.yaml

docs: install ## write the generated files anew: config skeleton and schemas, docs/configuration.md, products.md, api.md, benchmarks.md
	python tools/configuration.py --write
	python tools/api.py
	python -m benchmarks.page.table

lock: install ## resolve pyproject.toml into the locks again (UPGRADE=--upgrade for newer versions)
	$(LOCK) --group pyproject.toml:dev pyproject.toml -o envs/lock.txt
	echo uv | $(LOCK) --no-annotate - -o envs/lock-uv.txt
	for cuda in 12 13; do \
		echo "jax[cuda$$cuda]" | $(LOCK) --no-annotate -c envs/lock.txt - -o envs/lock-cuda$$cuda.txt || exit; \
	done

clean: ## remove .venv and caches; results/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
