# `make demo` and `make test` set everything up by themselves, with the versions of requirements.lock: Python 3.11 to 3.14.
# The package itself admits 3.10 (`make test-pythons`).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := $(foreach kind,h cpp inc cu cuh,$(wildcard csrc/*/*.$(kind) csrc/*/*/*.$(kind)))

.PHONY: demo default-bundle test test-slow test-lowest test-pythons test-arm test-fleet native-test check docs setup kernels native fuzz sanitize lock sbom clean

demo: $(STAMP)
	$(BIN)/mapt demo

# The network that the package carries, from weights/nano-synthetic.safetensors. The same weights and versions give the
# same graphs; tests/test_default_bundle.py compares them. ONNX Runtime before 1.25 takes the gridsample ones.
DEFAULT_SIZES := 384x672 192x352 192x640 384x1248
default-bundle: $(STAMP)
	$(BIN)/mapt export nano-synthetic --out mapt/weights/nano-synthetic --no-weights \
	  $(addprefix --size ,$(DEFAULT_SIZES)) --ops standard --ops gridsample

# Two workers, each of which takes whole files: more memory buys little on most machines. What ends a worker, as
# tests/tools/guard.py does with a test that hangs in compiled code, is tried once more by the next one.
WORKERS ?= 2

test: $(STAMP)
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist loadfile --timeout 600 --max-worker-restart 1

test-slow: $(STAMP)
	$(BIN)/pytest -m slow
	.ci/pythons $(BIN)/python

# The long proofs of fleets: nodes, clients, stores and workers that die.
test-fleet: $(STAMP)
	$(BIN)/pytest -m slow tests/fleet tests/engines tests/training/test_elastic.py

# The wheel on every Python that is found, 3.10 to 3.14: the same labels and ids.
test-pythons: $(STAMP)
	.ci/pythons $(BIN)/python

# The tests of runtime, track, eval and export with the lowest versions that pyproject.toml allows.
test-lowest:
	.ci/lowest

# The native tracker against the Python one: 10,000 random scenarios, KITTI-MOTS masks where MOTS=FOLDER names the texts.
# Then 20,000 recorded frames without an allocation, and its own programs and the host under the sanitizers.
native-test: $(STAMP)
	MAPT_MOTS=$(MOTS) $(BIN)/pytest tests/native tests/examples/test_sanitized_host.py

# aarch64 under emulation, which takes long; .ci/arm and .ci/arm-native say what they need.
test-arm: $(STAMP)
	.ci/arm
	.ci/arm-native

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/packing.py
	$(BIN)/python .ci/rooms.py
	$(BIN)/python csrc/contract_header.py --check
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)
	$(BIN)/clang-format --dry-run --Werror --style=file:csrc/.clang-format $(wildcard examples/*/*.h examples/*/*.cpp examples/*/src/*.cpp examples/*/include/*/*.hpp tests/examples/*/*.cpp)

# The documentation's site in build/site, by what the extra `docs` names, in an environment of its own.
docs: build/docs/.installed
	build/docs/bin/zensical build --strict --clean

build/docs/.installed: pyproject.toml
	$(PYTHON) -m venv build/docs
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' > build/docs/requirements.txt
	build/docs/bin/python -m pip install --quiet --disable-pip-version-check -r build/docs/requirements.txt
	@touch $@

setup: $(STAMP)

# The stamp is written last, so an interrupted installation is finished by the next call.
$(STAMP): requirements.lock pyproject.toml setup.py csrc/compilers.py csrc/nvcc.py csrc/sources.py $(SOURCES)
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11 to 3.14; install it, or name one with PYTHON=..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(STAMP)

# Everything that can be compiled, incrementally; fails where `make setup` would leave a part out. For GPUs where there
# is an nvcc, a few minutes of it.
EVERYTHING := torch,onnxruntime,native$(if $(shell command -v nvcc),$(shell echo ,cuda,tensorrt,images))
kernels: $(STAMP)
	MAPT_BUILD=$(EVERYTHING) $(BIN)/python setup.py --quiet build_ext --inplace

# The tracker without Python: build/native/libmapt.so, its static twin, and the host program. It needs CMake and zlib, and
# for the host libpng and libjpeg. ONNX Runtime's library of $(VENV) is linked beside them, where libmapt looks first.
NATIVE := build/native
native:
	cmake -S csrc/runtime -B $(NATIVE) -DCMAKE_BUILD_TYPE=Release
	cmake --build $(NATIVE) --parallel $(JOBS)
	@for library in $(wildcard $(BIN)/../lib/python*/site-packages/onnxruntime/capi/libonnxruntime.so.*); do \
	  ln -sf $$(realpath $$library) $(NATIVE)/libonnxruntime.so.1; done
JOBS ?= 2

# libFuzzer on every part of a bundle, on saved states, images and a network's outputs, under AddressSanitizer and UBSan.
FUZZED := build/fuzz
FUZZ_SECONDS ?= 60
CLANG ?= $(shell command -v clang++ || command -v clang++-14)
fuzz:
	cmake -S csrc/runtime -B $(FUZZED) -DCMAKE_CXX_COMPILER=$(CLANG) -DCMAKE_BUILD_TYPE=RelWithDebInfo -DMAPT_FUZZ=ON -DMAPT_HOST=OFF
	cmake --build $(FUZZED) --parallel $(JOBS) --target fuzz_bundle fuzz_tracker
	$(BIN)/python csrc/tests/fuzz/seeds.py mapt/weights/nano-synthetic $(FUZZED)/seeds
	mkdir -p $(FUZZED)/bundle $(FUZZED)/tracker
	$(FUZZED)/fuzz_bundle -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 $(FUZZED)/bundle $(FUZZED)/seeds/bundle
	$(FUZZED)/fuzz_tracker -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=65536 $(FUZZED)/tracker $(FUZZED)/seeds/tracker

# The kernels' stress program under AddressSanitizer and UBSan, once per instruction set; those for CUDA run as loops. Then random
# attributes and shapes through the operators for ONNX Runtime, and through TensorRT's plugins where its headers are.
SANITIZED := build/sanitize
SANITIZE := -std=c++17 -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=address,undefined,float-cast-overflow -pthread
TENSORRT = $(shell $(BIN)/python -c "import sys; sys.path.insert(0, 'csrc'); import nvcc; print(nvcc.find_tensorrt())" 2>/dev/null)
sanitized = $(patsubst csrc/%,$(SANITIZED)/%.o,$(wildcard $(1:%=csrc/%)))
KERNELS := $(call sanitized,cpu/*.cpp operators/*/cuda*.cu)
# Of memory that a machine lacks the operators tell with a status; the sanitizer would end the program.
FUZZ := ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=256
sanitize: $(SANITIZED)/stress $(SANITIZED)/fuzz_onnxruntime $(if $(TENSORRT),$(SANITIZED)/fuzz_tensorrt)
	MAPT_ISA=baseline $(SANITIZED)/stress
	MAPT_ISA=avx2 $(SANITIZED)/stress
	$(SANITIZED)/stress
	$(FUZZ) $(SANITIZED)/fuzz_onnxruntime
	$(if $(TENSORRT),$(FUZZ) $(SANITIZED)/fuzz_tensorrt 2>$(SANITIZED)/refusals,@echo "no TensorRT headers: the plugins are left out")

$(SANITIZED)/stress: $(KERNELS) $(call sanitized,tests/stress/*.cpp)
$(SANITIZED)/fuzz_onnxruntime: $(KERNELS) $(call sanitized,onnxruntime/*.cpp operators/*/onnxruntime.cpp tests/fuzz_onnxruntime.cpp)
$(SANITIZED)/fuzz_tensorrt: $(KERNELS) $(call sanitized,tensorrt/*.cpp operators/*/tensorrt.cpp tests/plugins.cpp tests/fuzz_tensorrt.cpp)
$(SANITIZED)/stress $(SANITIZED)/fuzz_onnxruntime $(SANITIZED)/fuzz_tensorrt:
	$(CXX) $(SANITIZE) $^ -o $@

$(SANITIZED)/%.o: csrc/% $(SOURCES)
	@mkdir -p $(@D)
	$(CXX) $(SANITIZE) -I csrc -DMAPT_CUDA $(if $(TENSORRT),-isystem $(TENSORRT) -I csrc/shim) -x c++ -c $< -o $@

# Resolve pyproject.toml anew in an empty environment and pin what came out, with the hashes of every file of it.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "setuptools>=77" wheel ".[cpu,train,export,trt-rtx,sign,hub,pandas,parquet,mcap,rosbag,ray,s3,gcs,dev]"
	build/lock/bin/python -m pip freeze --all | grep -v -i -E "^(mapt|pip)\b" \
	  | sed 's/^backports.zstd==.*/&; python_version < "3.14"/' > build/lock/pins # there the standard library has it
	build/lock/bin/python -m pip install --quiet uv
	( echo "# Made by \`make lock\`: everything that .[cpu,train,export,trt-rtx,sign,hub,pandas,parquet,mcap,rosbag,ray,s3,gcs,dev] resolves to."; \
	  build/lock/bin/uv --quiet --no-config pip compile --no-deps --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate build/lock/pins ) > build/lock/locked
	mv build/lock/locked requirements.lock

# What the environment holds, with versions and licences, as CycloneDX: build/sbom.json.
sbom: $(STAMP)
	test -x build/sbom/bin/cyclonedx-py || { $(PYTHON) -m venv build/sbom && \
	  build/sbom/bin/python -m pip install --quiet --disable-pip-version-check "cyclonedx-bom>=7"; }
	build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json \
	  $(BIN)/python

clean:
	rm -rf $(VENV) mapt/build.json mapt/ops/_*.so runtime/_*.so build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache *.egg-info
