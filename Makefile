# The commands of README.md. Everything runs in .venv, made from requirements.lock.

PYTHON ?= python3.11
CORES ?= 2
STUDY ?= mini
# The folder that `path` of a source, a base or a judge is below.
SOURCES_DIR ?=
# Anything here has `make study` make again what was edited or damaged since it was made.
REBUILD_DAMAGED ?=
# Which build of PyTorch: empty takes the one that pip offers, `cpu` or `cu130` the
# builds of PyTorch's own index, a URL any other index.
TORCH_BUILD ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Snakemake's cloud plugins: who sets PYTHONPATH to this folder has them.
CLOUD := $(VENV)/cloud
# vLLM needs other versions of torch and transformers.
VLLM := $(VENV)/vllm
export PATH := $(CURDIR)/$(BIN):$(PATH)

TORCH_INDEX := $(if $(TORCH_BUILD),--index-url $(if $(findstring ://,$(TORCH_BUILD)),$(TORCH_BUILD),https://download.pytorch.org/whl/$(TORCH_BUILD)))

# Text as one word of a shell, whatever stands in it.
quoted = '$(subst ','\'',$(1))'

.PHONY: study test test-remote test-vllm check bench readme config-reference confirm env cloud clean

study: $(READY)
	safegrid study --study $(call quoted,$(STUDY)) --cores $(call quoted,$(CORES)) $(if $(SOURCES_DIR),--sources-dir $(call quoted,$(SOURCES_DIR))) $(if $(REBUILD_DAMAGED),--rebuild-damaged)

# `-m "not slow"` is the quick part; those of `-m grid` run workflows, in copies of one
# finished study.
test: $(READY)
	pytest -m "not remote and not vllm" -n $(CORES) --dist loadfile

# Jobs on a SLURM of the tests' own; beside them, results in a bucket, and pods.
test-remote: $(CLOUD)/.ready
	pytest tests/workflow -m remote -n '$(CORES)' --dist loadfile

# A real vLLM on a CPU, one server at a time: 4 to 6 GB of memory.
ifeq ($(shell uname -sm),Linux x86_64)
test-vllm: $(VLLM)/.ready
	SAFEGRID_VLLM='$(CURDIR)/$(VLLM)/bin/vllm' pytest tests/vllm -m vllm --durations=0
else
test-vllm:
	@echo "skipped: vLLM for CPUs is published for Linux on x86_64 only"
endif

check: $(READY)
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

bench: $(READY)
	cd tests && python -m bench.run

readme: $(READY)
	safegrid readme --study $(call quoted,$(STUDY))

# After an edit of a key, its default or its meaning.
config-reference: $(READY)
	python tests/config_reference.py

# After an edit of an expensive stage's code that changes no result (else raise its number).
confirm: $(READY)
	python tests/unit/core/confirm_stages.py

env: $(READY)

# torch comes first and alone, so that its build is the one that was chosen.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed; safegrid needs Python 3.11 (make PYTHON=/path/to/python3.11)"; exit 1; }
	@case "$$PWD" in *[\"\$$\`\\{}:]*) echo "error: the path of this folder holds one of \" \$$ \` \\ { } : with which the commands of an environment in it do not start; rename it, or work elsewhere"; exit 1;; esac
	@echo "making the environment in $(VENV): about 2.5 GB of disk and 3 to 10 minutes, once (more where pip offers a CUDA build of torch: see TORCH_BUILD in docs/run_a_study.md)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --no-deps $(TORCH_INDEX) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@# pip would do it on one core. Some packages carry files of another Python.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $@

# Beside the environment, not in it: Snakemake imports every plugin that it finds, at each
# start. The wheel is what the image has, for the tests' pods (see Dockerfile).
cloud: $(CLOUD)/.ready

$(CLOUD)/.ready: requirements-cloud.lock $(READY)
	rm -rf $(CLOUD)
	$(BIN)/python -m pip install --quiet --no-deps --target $(CLOUD) --requirement requirements-cloud.lock
	$(BIN)/python -m pip download --quiet --no-deps --dest $(CLOUD)/wheels "$$(grep '^snakemake-storage-plugin-s3==' requirements-cloud.lock)"
	touch $@

$(VLLM)/.ready: requirements-vllm.lock envs/vllm.sh $(READY)
	@echo "making the environment of vLLM in $(VLLM): about 3.5 GB of disk and 2 to 10 minutes, once"
	envs/vllm.sh $(PYTHON) $(VLLM)
	touch $@

clean:
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	rm -rf logs .snakemake
