# make demo      install into .venv, then judge two real maps, one with its page, into demo/
# make test      install into .venv, then lint, types and tests
# make install   only install
# make fuzz      give every reader a thousand damaged files; minutes, on two processor cores
# make docs      write docs/commands.rst again, and build the pages into build/docs
# make browser   open the page of a report in Chromium (Debian: chromium), and try it
# make slow      run the tests that need minutes, such as the long commands of the documentation
# make clean     remove everything that the targets above made
#
# PYTHON=python3.12 chooses another interpreter, EXTRAS=gpu,train another set of packages,
# WORKERS=1 how many processes run the tests (as many as processor cores, up to 4: each needs 2 GB).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
EXTRAS ?= cpu,scipion,train,batch,test,docs
VENV   ?= .venv
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 1); echo $$((n < 4 ? n : 4)))

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test slow browser fuzz docs clean

install: $(STAMP)

# One command for all packages: TensorFlow added later would pull numpy 2 in, which Scipion cannot use.
$(STAMP): setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python found: install Python 3.11, or set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m pip check
	@touch $@

demo: $(STAMP)
	$(BIN)/cryodl localres examples/emd_3186.map.gz -o demo --sharpen auto --claimed 7.9 --overwrite
	@echo
	@echo "Look at demo/slices.png and demo/histogram.png, at the figures in demo/stats.json,"
	@echo "and in ChimeraX at demo/view.cxc. The resolution claimed for the map (EMD-3186) is 7.9 A."
	@echo
	$(BIN)/cryodl report examples/emd_30342_zone.mrc.gz --model examples/7cec_chain_A.cif.gz \
	    --claimed 3.9 -o demo/report --overwrite
	@echo
	@echo "Open this page in a browser, a map with its model: file://$(CURDIR)/demo/report/report.html"

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --max-worker-restart 0

fuzz: $(STAMP)
	$(BIN)/python cryodl/tests/fuzzing/fuzz.py --count 1000 --workers 2 --table benchmarks/fuzz.md

slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

browser: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[browser]"
	$(BIN)/python -m pytest -q -m browser

docs: $(STAMP)
	$(BIN)/python docs/make_commands.py
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Look at build/docs/index.html"

clean:
	rm -rf $(VENV) demo build dist docs/rooms *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
