# make demo   train on synthetic scenes, test, write pictures
# make test   lint and the whole test suite
# make env    only the environment
#
# VENV=/some/folder puts the environment (several GB) elsewhere; PYTHON=python3.12 chooses the interpreter.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
REQUIREMENTS := requirements.txt $(wildcard requirements/*.txt) constraints.txt
# named after the requirement files' content: a change rebuilds the environment, a fresh checkout's dates do not; what has no
# such file was not made here, and is not cleared
STAMP := $(VENV)/.ready-$(shell cat $(REQUIREMENTS) | cksum | tr -d ' ')

DEMO_DATA := data/moon_synthetic
DEMO_DIR := work_dirs/demo
DEMO_CONFIG := configs/unet_backbone_frozen.py
DEMO_EPOCHS ?= 20

.PHONY: env demo test lint format

env: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python >= 3.10 is needed, $(PYTHON) is older: make PYTHON=python3.11 ..."; exit 2; }
	@[ -z "$$(ls -A $(VENV) 2> /dev/null)" ] || ls $(VENV)/.ready-* > /dev/null 2>&1 || \
		{ echo "$(VENV) is there and was not made by make, which would clear it: choose another VENV, or remove it"; exit 2; }
	@$(PYTHON) -m venv --clear --without-pip $(VENV) && touch $(VENV)/.ready-soon
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements/dev.txt -c constraints.txt
	# its dependency opencv-python-headless would overwrite opencv-python
	$(BIN)/python -m pip install --quiet --no-deps albumentations==2.0.8 albucore simsimd stringzilla -c constraints.txt
	@touch $@

demo: env
	$(BIN)/python tools/prepare_data.py synthetic --out $(DEMO_DATA)
	MOON_DATA=$(DEMO_DATA) $(BIN)/python tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO_DIR) --resume \
		--cfg-options train_cfg.max_epochs=$(DEMO_EPOCHS)
	MOON_DATA=$(DEMO_DATA) $(BIN)/python tools/test.py $(DEMO_CONFIG) \
		$$(ls -t $(DEMO_DIR)/best_rock_Dice_epoch_*.pth | head -1) --work-dir $(DEMO_DIR)/test --show-dir $(DEMO_DIR)/pictures

test: lint
	# in the order of tests/conftest.py
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
