# Targets and variables: make help
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Targets that are commands of asm-hw; they take its options as variables: --weight-bits 5 is WEIGHT_BITS=5. asm-hw
# itself knows which, and refuses others. Variables travel in the environment, so no shell reads them.
TARGETS := rtl catalog sim wave synth energy fpga sram demo train quantize choose compile run evaluate onnx table
# NAME, OUT and the like are taken from make's command line only: some systems export them.
GIVEN := $(filter-out PYTHON VENV,$(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v))))
GOALS := $(filter $(TARGETS),$(MAKECMDGOALS))
$(if $(GOALS),,$(if $(GIVEN),$(error variable $(GIVEN) must be left out: `make $(MAKECMDGOALS)` takes PYTHON VENV)))
define pass_option
unexport $(1)
export ASM_HW_$(1) := $$(value $(1))
endef
$(foreach variable,$(GIVEN),$(eval $(call pass_option,$(variable))))
export ASM_HW_MAKE_VARIABLES := $(GIVEN)
export ASM_HW_MAKE_GOALS := $(GOALS)

.PHONY: ppa help install rtl catalog sim wave synth energy fpga sram demo train quantize choose compile run evaluate onnx table figures test test-full lint clean

help: ## show this text
	@echo "Targets:"; grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sed 's/^/  /'
	@echo "Variables: the options of a target's command in capitals (\`asm-hw rtl --help\` lists them), such as"
	@echo "  make rtl ALPHABETS=1,3 UNIT=dot WEIGHT_BITS=5 ACT_BITS=8 LANES=16 NAME=my_dot"
	@echo "  PYTHON (python3.11) makes the virtual environment VENV (.venv)"

install: $(STAMP) ## virtual environment with everything pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

rtl: $(STAMP) ## Verilog, manifest and hand-off files of one unit
	@$(BIN)/asm-hw rtl

catalog: $(STAMP) ## list the named configurations
	@$(BIN)/asm-hw catalog

sim: $(STAMP) ## cocotb over the catalogue, or over one unit if its variables are set
	@$(BIN)/asm-hw sim

wave: $(STAMP) ## simulate one unit and leave a waveform
	@$(BIN)/asm-hw wave

synth: $(STAMP) ## area and delay of one unit beside exact and bare
	@$(BIN)/asm-hw synth

fpga: $(STAMP) ## place and route one unit beside exact and bare: FAMILY=ecp5, ecp5_85, ice40 or gowin
	@$(BIN)/asm-hw fpga

energy: $(STAMP) ## energy per MAC of one unit beside exact and bare, glitches included
	@$(BIN)/asm-hw energy

sram: $(STAMP) ## energy, area, leakage and access time of an SRAM macro
	@$(BIN)/asm-hw sram

demo: $(STAMP) ## train on real digits, run the test set through the RTL, print one table
	@$(BIN)/asm-hw demo

train: $(STAMP) ## train a model in float or on the levels of ALPHABETS; the same call resumes it
	@$(BIN)/asm-hw train

quantize: $(STAMP) ## integers of a float model without training
	@$(BIN)/asm-hw quantize

choose: $(STAMP) ## the smallest alphabets of each layer within a budget
	@$(BIN)/asm-hw choose

compile: $(STAMP) ## a program of an engine and its Verilog from the integers in the file NETWORK; UNIT=bitline: of a bitline array
	@$(BIN)/asm-hw compile

run: $(STAMP) ## play images through the engine in FOLDER, every stored tensor compared
	@$(BIN)/asm-hw run

evaluate: $(STAMP) ## the accuracy of the integers in the file NETWORK
	@$(BIN)/asm-hw evaluate

onnx: $(STAMP) ## an ONNX model of the integers in the file NETWORK, compared by onnxruntime
	@$(BIN)/asm-hw onnx

table: $(STAMP) ## the 256 x 256 products of a multiplier in the file OUT, for emulators
	@$(BIN)/asm-hw table

figures: $(STAMP) ## measure area and the demo's accuracy: docs/results/ and the tables of docs/ and README.md
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/headline.py

ppa: $(STAMP) ## measure area, delay, energy and FPGA figures: docs/results/, docs/plots/ and the tables of docs/ and README.md
	$(BIN)/python benchmarks/figures.py --only area
	$(BIN)/python benchmarks/ppa.py
	$(BIN)/python benchmarks/fpga.py
	$(BIN)/python benchmarks/headline.py

test: $(STAMP) ## the tests
	$(BIN)/python -m pytest -n 2 -m "not full"

test-full: $(STAMP) ## the tests, the slow ones too
	$(BIN)/python -m pytest -n 2

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## remove what was built, not the virtual environment
	rm -rf build .pytest_cache .hypothesis .mypy_cache .ruff_cache
