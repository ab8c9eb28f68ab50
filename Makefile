# Each target builds .venv by itself. PYTHON chooses the interpreter (3.11, 3.12 or 3.13).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs bench

.venv: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test,lint,docs]"
	@touch .venv

demo: .venv
	$(BIN)/ganaug demo ganaug-demo/$$(date +%Y-%m-%d_%H-%M-%S)

test: .venv
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: .venv
	$(BIN)/python benchmarks/throughput.py
