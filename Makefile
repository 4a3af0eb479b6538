# Everything sets itself up: `make test` needs Python 3.11 and 3.13 (from pyenv or on the PATH), `make demo` either.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo soak test lint types floors generated script unit model browser wheel js docs pictures format clean

help:   ## this list
	@sed -n 's/^\([a-z]*\): *## /\1\t/p' Makefile | expand -t 12

demo:   ## the examples on one loopback address, with deploys at the press of a button
	@$(PYTHON) tools/demo.py

soak:   ## 1,000 restarts under load, an hour at most: nothing lost, nothing doubled; RESTARTS=30 for a short one
	@$(PYTHON) tools/check.py soak

test:   ## everything that CI runs
	@$(PYTHON) tools/check.py

lint:   ## ruff: rules and layout
types:  ## mypy --strict, and how complete the public types are
floors: ## which module may import which
generated: ## what is generated from the code is what the code generates
script: ## the JavaScript client: types, tests, and whether the committed bundle is its build
unit:   ## the Python tests, servers included, on every supported Python
model:  ## every interleaving of a small world, and the script's machine against it
browser: ## the tests in Chromium, Firefox and WebKit
wheel:  ## the built wheel, installed and served outside the checkout
lint types floors generated script unit model browser wheel:
	@$(PYTHON) tools/check.py $@

js:     ## build, test and put the client into quart_stash/static/
	@$(PYTHON) tools/check.py bundle script

pictures: ## record for the documentation what tests show
	@$(PYTHON) tools/check.py pictures

docs:   ## write what the documentation takes from the code
	@$(PYTHON) tools/check.py docs

format: ## lay the Python code out
	@$(PYTHON) tools/check.py format

clean:  ## remove what set-up and runs have made
	rm -rf .venv-* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist js/node_modules js/types
