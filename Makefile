# The commands people use. Everything a test needs is prepared by `make test` itself.

BIN  := bin/understudy
DATA ?= data

.PHONY: run test test-cgroup2 check runsc fuzz bench bench-sandbox soak sdks build demo

# run builds the server, installs the Python packages of the code interpreter
# into $(DATA) if they are missing, and serves until it is stopped.
run: build
	$(BIN) serve --data $(DATA)

demo: build
	$(BIN) demo --data $(DATA)

build:
	CGO_ENABLED=0 go build -trimpath -o $(BIN) ./cmd/understudy

# test is all that CI runs: ./check, which runs every Go test, those of the
# built program in internal/e2e included, with the Python environment in $(DATA).
#
# Tests become another user, who must reach the packages: hence the folder's mode.
test: build
	@mkdir -p -m 0711 $(DATA)
	$(BIN) setup --data $(DATA)
	$(MAKE) runsc
	eval "$$($(BIN) setup --data $(DATA) --print-env)" && UNDERSTUDY_TEST_RUNSC=$(abspath $(DATA))/bin/runsc ./check

# test-cgroup2 runs the sandbox's tests in a virtual machine, with control groups of
# version 2 alone. It says which Debian packages it needs.
test-cgroup2:
	@mkdir -p -m 0711 $(DATA)
	tools/cgroup2/run $(DATA)/cgroup2

check:
	./check

# fuzz runs every fuzz target for $(FUZZTIME), one after the other.
FUZZTIME ?= 30s

fuzz:
	FUZZTIME=$(FUZZTIME) ./fuzz

# runsc builds gVisor, for --sandbox gvisor, into $(DATA).
runsc:
	@echo "building gVisor into $(DATA)/bin/runsc; the first time takes minutes"
	cd tools/gvisor && CGO_ENABLED=0 go run ./build $(abspath $(DATA))/bin/runsc

bench: build
	$(BIN) setup --data $(DATA)
	eval "$$($(BIN) setup --data $(DATA) --print-env)" && go run ./internal/bench -server $(BIN)

# bench-sandbox compares the code interpreter with what else runs Python, in three
# to five minutes. Peers are pinned and installed into $(DATA)/bench, but for bubblewrap,
# which has to be there: apt-get install bubblewrap. BENCH="-readme README.md" puts
# the most telling rows into the README, BENCH=-quick is a short run.
BENCH ?=

bench-sandbox: build runsc
	@mkdir -p -m 0711 $(DATA)
	$(BIN) setup --data $(DATA)
	@mkdir -p $(DATA)/bench
	eval "$$($(BIN) setup --data $(DATA) --print-env)" && go run ./internal/bench/sessions -dir $(DATA) -cache $(DATA)/bench \
		-runsc $(abspath $(DATA))/bin/runsc -json $(DATA)/bench/sandbox.json $(BENCH)

# soak lets sessions come and go for half an hour and looks for what they leave
# behind: `make soak SOAK="-duration 60s"` is a short one, `-driver gvisor` another
# driver (`make runsc` first), and `-report docs/soak.md` writes the one in docs.
SOAK ?=

soak: build
	@mkdir -p -m 0711 $(DATA)
	$(BIN) setup --data $(DATA)
	eval "$$($(BIN) setup --data $(DATA) --print-env)" && go run ./internal/bench/soak -dir $(DATA) \
		-runsc $(abspath $(DATA))/bin/runsc -report $(DATA)/soak.md $(SOAK)

# sdks runs the official SDKs against the server and writes what passes into the
# README.
sdks: build
	@mkdir -p -m 0711 $(DATA)
	$(BIN) setup --data $(DATA)
	eval "$$($(BIN) setup --data $(DATA) --print-env)" && go test ./internal/e2e/sdk -count=1 -table
