# Each target builds .venv by itself. PYTHON chooses the interpreter (3.11, 3.12 or 3.13).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-oldest lint docs bench benchmarks-smoke lock release-check

.venv: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test,lint,docs]"
	@touch .venv

demo: .venv
	$(BIN)/ganaug demo ganaug-demo/$$(date +%Y-%m-%d_%H-%M-%S)

test: .venv
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# The contract with scikit-learn and imbalanced-learn, at the oldest versions that pyproject.toml allows.
.venv-oldest: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-oldest
	mkdir -p build
	grep --invert-match --extended-regexp "^(scikit-learn|imbalanced-learn)==" constraints.txt > build/constraints-oldest.txt
	.venv-oldest/bin/pip install --quiet --constraint build/constraints-oldest.txt \
		"scikit-learn==1.7.0" "imbalanced-learn==0.14.0" --editable ".[test]"
	@touch .venv-oldest

test-oldest: .venv-oldest
	.venv-oldest/bin/python -m pytest tests/contract/test_compat.py tests/contract/test_estimator_checks.py \
		tests/contract/test_recipe.py tests/contract/test_augmented_classifier.py

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: .venv
	$(BIN)/python -m benchmarks.throughput

# Every benchmark program on a few images, in a minute or so.
benchmarks-smoke: .venv
	$(BIN)/python -m benchmarks --smoke

# What a user installs, each file by its hash: pip install --require-hashes -r constraints.hashed.txt
LOCK := build/release/bin/uv pip compile pyproject.toml --extra accelerate --extra c2pa --extra datasets --constraint constraints.txt \
	--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

build/release:
	$(PYTHON) -m venv build/release
	build/release/bin/pip install --quiet cyclonedx-bom==7.5.0 pip-audit==2.10.1 uv==0.13.9

lock: build/release
	$(LOCK) --output-file constraints.hashed.txt

# The hashes are those of constraints.txt, the parts are listed in CycloneDX's form, and none has a known weakness.
release-check: build/release
	mkdir -p dist
	cp constraints.hashed.txt build/locked.txt
	$(LOCK) --output-file build/locked.txt
	diff constraints.hashed.txt build/locked.txt
	build/release/bin/cyclonedx-py requirements constraints.hashed.txt --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file dist/ganaug.cdx.json
	build/release/bin/pip-audit --strict --disable-pip --requirement constraints.hashed.txt
