# Everything here works on a bare machine with Python 3.10+ and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
OLDEST_STAMP := $(OLDEST)/.installed
MODELS := .venv-models
TORCH ?= torch==2.13.0

.PHONY: help demo test lint types unit unit-oldest test-models evaluate clean

help:
	@echo "make demo         see a memory fill, in the terminal"
	@echo "make test         lint, types and tests, those of LangChain and LlamaIndex with their newest and their oldest versions"
	@echo "make test-models  the tests that need a real embedding model (installs torch)"
	@echo "make evaluate LOCOMO=file.json   retrieval, languages and speed, as figures"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev --editable ".[langchain-classic,llama-index,mcp]"
	touch $(STAMP)

$(OLDEST_STAMP): pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(OLDEST)/bin/python -m pip install --quiet --group test --constraint tests/oldest.txt --editable ".[langchain-classic,llama-index,mcp]"
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
	$(OLDEST)/bin/pytest -n 2 -m "not newest" tests/langchain tests/llama_index

test-models:
	$(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(MODELS)/bin/python -m pip install --quiet "$(TORCH)"
	$(MODELS)/bin/python -m pip install --quiet --group dev --group models --editable ".[langchain-classic,llama-index,mcp,sentence-transformers]"
	$(MODELS)/bin/pytest -m model

evaluate: $(STAMP)
	$(BIN)/memoryos evaluate dialogues tests/data/dialogues
	$(if $(LOCOMO),$(BIN)/memoryos evaluate locomo $(LOCOMO))
	$(BIN)/memoryos evaluate speed

clean:
	rm -rf $(VENV) $(OLDEST) $(MODELS) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
