# Everything here works on a bare machine with Python 3.10+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
OLDEST_STAMP := $(OLDEST)/.installed
MODELS := .venv-models
TORCH ?= torch==2.13.0

.PHONY: help demo test lint types unit unit-oldest test-models test-browser notebooks evaluate clean

help:
	@echo "make demo         see a memory fill, in the terminal"
	@echo "make test         lint, types and tests, those of LangChain, LlamaIndex and notebooks with their newest and their oldest versions"
	@echo "make test-models  the tests that need a real embedding model (installs torch)"
	@echo "make test-browser the notebooks in JupyterLab, in a browser (installs Chromium, with apt-get)"
	@echo "make notebooks    execute the notebooks and save what they show; NAMES=\"a b\" for some of them"
	@echo "make evaluate LOCOMO=file.json   retrieval, languages and speed, as figures"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev --editable ".[langchain-classic,llama-index,mcp,jupyter]"
	touch $(STAMP)

$(OLDEST_STAMP): pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet --group test --constraint tests/oldest.txt --editable ".[langchain-classic,llama-index,mcp,jupyter]"
	touch $(OLDEST_STAMP)

demo: $(STAMP)
	$(BIN)/memoryos demo

test: lint types unit unit-oldest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -n 2

unit-oldest: $(OLDEST_STAMP)
	$(OLDEST)/bin/pytest -n 2 -m "not newest" tests/langchain tests/llama_index tests/jupyter

test-models:
	$(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(MODELS)/bin/python -m pip install --quiet "$(TORCH)"
	$(MODELS)/bin/python -m pip install --quiet --group dev --group models --editable ".[langchain-classic,llama-index,mcp,jupyter,sentence-transformers]"
	$(MODELS)/bin/pytest -m model

test-browser: $(STAMP)
	@if ! command -v chromium && ! command -v chromium-browser && ! command -v google-chrome; then \
		if ! command -v apt-get; then echo "Install Chromium first, with this machine's package manager."; exit 1; \
		elif [ "$$(id -u)" = 0 ]; then root=; \
		elif command -v sudo; then root=sudo; \
		else echo "Install Chromium first, as root: apt-get install chromium"; exit 1; fi; \
		$$root apt-get update && $$root apt-get install --yes chromium; \
	fi
	$(BIN)/pytest tests/browser

notebooks: $(STAMP)
	$(BIN)/python -m tests.notebooks.executing $(NAMES)

evaluate: $(STAMP)
	$(BIN)/memoryos evaluate dialogues tests/data/dialogues
	$(if $(LOCOMO),$(BIN)/memoryos evaluate locomo $(LOCOMO))
	$(BIN)/memoryos evaluate speed

clean:
	rm -rf $(VENV) $(OLDEST) $(MODELS) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
