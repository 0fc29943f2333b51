# The front door. `make run` boots a machine, `make test` proves it works.

MACHINE ?= machine
TARGET := x86_64-unknown-linux-musl
OUT := $(abspath $(or $(CARGO_TARGET_DIR),target))
ORLOP := $(OUT)/tool/orlop
export ORLOP_RUNTIME := $(OUT)/$(TARGET)/release

.PHONY: run test soak bench programs clean

# Sets up what is missing, builds, boots ./machine in QEMU with its console in this terminal.
# RUN= takes options of `orlop run`, such as RUN=--fresh.
run:
	@.ci/setup run
	@$(MAKE) --no-print-directory programs
	@test -e $(MACHINE) || $(ORLOP) new $(MACHINE)
	@$(ORLOP) run $(MACHINE) $(RUN)

# Format, lints, licences, unit and property tests, the image built twice, machines in QEMU.
test:
	@.ci/setup test
	@.ci/test

# The same code with full counts; seeds are printed.
soak:
	@.ci/setup soak
	@PROPTEST_CASES=$${PROPTEST_CASES:-20000} ORLOP_ROUNDS=$${ORLOP_ROUNDS:-20} \
		ORLOP_LAUNCHES=$${ORLOP_LAUNCHES:-10000} \
		ORLOP_STEPS=$${ORLOP_STEPS:-100000000} .ci/test

# How long ten isolated services take, beside the kernel's own price; writes docs/benchmarks.md.
# ROUNDS= boots of each variant. BENCH=engines only compares a launch with other container engines,
# BENCH=restarts only what becomes of killed processes with other supervisors, BENCH=many only a
# thousand services, BENCH=disks only disks, whose section of the page it writes.
bench:
	@.ci/setup bench
	@$(MAKE) --no-print-directory programs
	@cargo build --release --target $(TARGET) -p orlop-container --example engine
	@ORLOP=$(ORLOP) cargo run --quiet -p orlop-qemu-tests --bin bench -- $(BENCH)

# What runs in the machine, static, and the workstation tool.
programs:
	@.ci/setup run
	@cargo build --release --target $(TARGET) -p orlop-init -p orlop-services
	@cargo build --profile tool -p orlop-image-build

# The machine in ./machine is yours and stays.
clean:
	@cargo clean
