# Everything runs in an environment of its own, .venv, which the first command sets up.

PYTHON ?= python3
BIN := .venv/bin
export VIRTUAL_ENV := $(CURDIR)/.venv
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python

RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

.PHONY: help run test lint format unit bench parity clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/built  ## Answer a question over a real text, then evaluate on a few questions
	$(BIN)/spanjet ask "How many species of conifers are there?" --file examples/conifers.txt
	$(BIN)/spanjet eval examples/squad-excerpt.json

test: lint unit  ## Everything that the gate runs

lint: .venv/tested  ## Formatting, lints, types and stubs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest spanjet._core

unit: .venv/tested  ## Rust and Python tests, and a smoke run of the benchmarks
	cargo test --workspace --locked
	$(BIN)/pytest tests benches --benchmark-disable

format: .venv/tested  ## Format all code
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/tested  ## Microbenchmarks against peers
	$(BIN)/pytest benches --benchmark-only --benchmark-columns=median,iqr,ops --benchmark-group-by=group

clean:  ## Remove everything that was built
	rm -rf .venv target python/spanjet/*.so out

.venv/created:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.9.4,<2'
	touch $@

.venv/built: .venv/created pyproject.toml $(RUST_SOURCES)
	$(BIN)/maturin develop --release --locked
	touch $@

.venv/tested: .venv/built
	$(BIN)/python -m pip install --quiet --group test
	touch $@
