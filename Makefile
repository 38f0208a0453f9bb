# Targets and variables: make help
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Variables that become options of asm-hw, by target. They travel in the environment, so no shell reads them.
UNIT_OPTIONS := UNIT ALPHABETS WEIGHT_BITS ACT_BITS ACT_SIGNED ACT_ALPHABETS ARITHMETIC WEIGHT_CODE STRUCTURE WEIGHT_FORM ACC_BITS TERMS \
                OVERFLOW LANES COLUMNS WEIGHT_REGISTERS HOLD DEPTH MEMORY OUTPUTS OUT_BITS OUT_SIGNED BUS_BITS \
                ROWS COLS WORD_BITS COUNTER_BITS
rtl_OPTIONS := $(UNIT_OPTIONS) NAME OUT CLOCK_MHZ FORCE
sim_OPTIONS := $(UNIT_OPTIONS) SIMULATOR JOBS
wave_OPTIONS := $(UNIT_OPTIONS) SIMULATOR
energy_OPTIONS := $(UNIT_OPTIONS) CLOCK_MHZ STREAM WEIGHTS CYCLES SEED SEEDS TECHNOLOGY LIBERTY OUT
synth_OPTIONS := $(UNIT_OPTIONS) CLOCK_MHZ TECHNOLOGY LIBERTY
fpga_OPTIONS := $(UNIT_OPTIONS) FAMILY SEEDS
sram_OPTIONS := WORDS BITS PORTS COLUMN_MUX
demo_OPTIONS := ALPHABETS WEIGHT_BITS ACT_BITS SEED EPOCHS
train_OPTIONS := MODEL DATASET ALPHABETS WEIGHT_BITS ACT_BITS ACT_ALPHABETS INIT OUT SEED HOLD_OUT EPOCHS BATCH LEARNING_RATE \
                 WEIGHT_DECAY WARMUP LABEL_SMOOTHING SETTLE SCALE_LEARNING_RATE DISTILL PRECISION IMAGE_SIZE WORKERS THREADS \
                 DEVICE SAVE_SECONDS TENSORBOARD LAYERS
quantize_OPTIONS := MODEL DATASET ALPHABETS WEIGHT_BITS ACT_BITS ACT_ALPHABETS LAYERS INIT OUT HOLD_OUT IMAGE_SIZE WORKERS THREADS \
                    IMAGES
choose_OPTIONS := MODEL DATASET WEIGHT_BITS ACT_BITS ACT_ALPHABETS LAYERS INIT OUT HOLD_OUT IMAGE_SIZE WORKERS THREADS IMAGES \
                  CANDIDATES WITHIN MOST_COST ENERGY LABELS
TARGETS := rtl sim wave synth energy fpga sram demo train quantize choose
OPTIONS := $(sort $(foreach target,$(TARGETS),$($(target)_OPTIONS)))

# A variable that no target of this call takes, or an empty one, would be ignored in silence.
GIVEN := $(filter-out PYTHON VENV,$(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v))))
TAKEN := $(sort $(foreach target,$(MAKECMDGOALS),$($(target)_OPTIONS)))
UNKNOWN := $(filter-out $(TAKEN),$(GIVEN))
EMPTY := $(strip $(foreach v,$(filter-out ACT_ALPHABETS,$(GIVEN)),$(if $(value $(v)),,$(v))))
$(if $(UNKNOWN),$(error variable $(UNKNOWN) must be one that `make $(MAKECMDGOALS)` takes: $(TAKEN) PYTHON VENV))
$(if $(EMPTY),$(error variable $(EMPTY) must have a value))
# NAME, OUT and the like are taken from make's command line only: some systems export them.
define pass_option
ifeq ($(origin $(1)),command line)
unexport $(1)
export ASM_HW_$(1) := $$(value $(1))
endif
endef
$(foreach option,$(OPTIONS),$(eval $(call pass_option,$(option))))

.PHONY: ppa help install rtl catalog sim wave synth energy fpga sram demo train quantize choose figures test test-full lint clean

help: ## show this text
	@echo "Targets:"; grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sed 's/^/  /'
	@echo "Variables: those of \`asm-hw rtl --help\` in capitals, such as"
	@echo "  make rtl ALPHABETS=1,3 UNIT=dot WEIGHT_BITS=5 ACT_BITS=8 LANES=16 NAME=my_dot"
	@$(foreach target,$(TARGETS),echo "  $(target): $($(target)_OPTIONS)";)
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

fpga: $(STAMP) ## place and route one unit beside exact and bare: FAMILY=ecp5, ice40 or gowin
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

figures: $(STAMP) ## measure area and the demo's accuracy: docs/results/ and README.md
	$(BIN)/python benchmarks/figures.py

ppa: $(STAMP) ## measure area, delay, energy and FPGA figures: docs/results/, docs/plots/ and README.md
	$(BIN)/python benchmarks/figures.py --only area
	$(BIN)/python benchmarks/ppa.py
	$(BIN)/python benchmarks/fpga.py

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
