# Everything a developer or a CI job runs. CMREACH_REQUIRE=all turns every
# skipped suite into a failure.

GO      ?= go
FUZZTIME ?= 10s
TOOLS   := $(shell $(GO) env GOPATH)/bin
export CGO_ENABLED = 0

.PHONY: build test test-race lint cross fuzz bench bench-peers demo packages golden clean

build:
	$(GO) build -trimpath -ldflags '-s -w' -o bin/cmreach ./cmd/cmreach

# test installs the Debian packages of the real servers when it can, runs all
# tests, and says at the end what was left out and why.
test: packages
	testdata/test.sh

# the race detector needs cgo and a C compiler
test-race:
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...

lint:
	$(GO) vet ./...
	testdata/tools.sh golangci-lint
	$(TOOLS)/golangci-lint run ./...

# every system that is supported must build and pass vet
cross:
	testdata/cross.sh

# each fuzz target for FUZZTIME
fuzz:
	FUZZTIME=$(FUZZTIME) testdata/fuzz.sh

bench:
	$(GO) test -run '^$$' -bench '^Benchmark(Crowd|Sweep|Growth|Killed)' -benchtime 1x -timeout 40m ./cmd/cmreach
	$(GO) test -run '^$$' -bench '^BenchmarkPageOfManyHosts' -benchtime 1x ./scanner/report
	$(GO) test -run '^$$' -bench '^BenchmarkFormats' -benchtime 3x ./scanner/report

# against nmap, masscan, zmap and fping, which are installed from Debian;
# RUNS=N repeats (5), QUICK=1 for one small run, WORK=NAME for the works alone
# whose name, or what follows a comma in it, begins so: WORK=push, WORK='2 %'
bench-peers:
	testdata/bench-peers.sh

demo:
	$(GO) run ./cmd/cmreach demo

packages:
	testdata/packages.sh

golden:
	$(GO) test ./scanner/report -update

clean:
	rm -rf bin cmreach-demo
