#!/usr/bin/env bash
set -euo pipefail
python -m pip install --require-hashes -r envs/lock.txt
python -m pip install --no-deps --no-build-isolation --editable .
