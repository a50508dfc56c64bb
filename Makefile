# Everything is built from pinned versions: the collector into dist/, the tools into .tools/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

GO ?= go
ifeq (,$(shell command -v $(GO)))
$(error Go 1.26 or later is missing: install it from https://go.dev/dl/ and put it on the PATH)
endif

COLLECTOR := dist/otelcol-aliyunkafkalag

export PATH := $(CURDIR)/.tools:$(PATH)
export GOWORK := off

# Static, and without VCS stamping the same in any checkout. Tools are always built for this machine, the product for
# GOOS and GOARCH.
go_build = CGO_ENABLED=0 $(GO) build
tool_build = GOOS= GOARCH= $(go_build)
# Named again, since $(shell) does not see variables of the command line, as in make GOARCH=arm64.
PLATFORM := $(shell GOOS=$(GOOS) GOARCH=$(GOARCH) $(GO) env GOOS GOARCH)
VERSION := $(shell sed -n 's/^  version: //p' builder-config.yaml)
BUILD_FLAGS := -trimpath -buildvcs=false -ldflags '-s -w'

# $(call go_sources,folders) is what a binary is built from. Tests are not.
go_sources = go.mod go.sum $(shell find $(1) -type f -not -name '*_test.go' -not -path '*/testdata/*')

##@ Use

.PHONY: build
build: $(COLLECTOR) ## Build the collector, dist/otelcol-aliyunkafkalag

.PHONY: demo
demo: $(COLLECTOR) dist/demo ## Show a live table of a simulated rush hour; DEMO_SECONDS=60 ends it by itself
	@exec dist/demo -simulate -collector $(COLLECTOR) -config collector-config/demo.yaml -log dist/demo.log

.PHONY: demo-ladder
demo-ladder: $(COLLECTOR) dist/demo ## Show what the remediation ladder would do, without a cluster; DEMO_SECONDS=150 ends it by itself
	@exec dist/demo -ladder -collector $(COLLECTOR) -config collector-config/demo-ladder.yaml -log dist/demo-ladder.log

.PHONY: run
run: $(COLLECTOR) dist/demo ## Show the same table of your own account: REGION=cn-hangzhou make run
	@exec dist/demo -collector $(COLLECTOR) -config collector-config/prometheus-scrape.yaml -log dist/run.log

.PHONY: check
check: dist/lagcheck ## Answer "will it work?" for your account: REGION=cn-hangzhou make check
	@dist/lagcheck

# REGISTRY=registry.example.com/team make image builds for both architectures and pushes.
.PHONY: image
image: need-docker dist/src/go.sum ## Build the container image; with REGISTRY=… for amd64 and arm64, pushed there
	$(call build_for,linux,amd64,dist/image/linux_amd64)
	$(call build_for,linux,arm64,dist/image/linux_arm64)
	docker buildx build -f deploy/docker/Dockerfile -t $(if $(REGISTRY),$(REGISTRY)/)otelcol-aliyunkafkalag:$(VERSION) \
		$(if $(REGISTRY),--platform linux/amd64$(,)linux/arm64 --push,--load) dist/image

RELEASE_PLATFORMS := linux/amd64 linux/arm64 darwin/arm64
# With everything that their documents link to.
RELEASE_FILES := LICENSE *.md collector-config deploy docs receiver/*/*.md receiver/*/*.json exporter/*/*.md
release_folder = dist/release/otelcol-aliyunkafkalag_$(VERSION)_$(subst /,_,$(1))

.PHONY: release
release: dist/src/go.sum .tools/cyclonedx-gomod ## Build archives for all platforms, each with an SBOM, and checksums in dist/release
	@tar --version | grep -q GNU || { echo 'A release needs GNU tar.' >&2; exit 1; }
	rm -rf dist/release
	$(foreach platform,$(RELEASE_PLATFORMS),$(call release_for,$(platform)))
	cd dist/release && sha256sum -- *.tar.gz *.json > SHA256SUMS

##@ Develop

.PHONY: test
test: export OTELCOL_BINARY := $(CURDIR)/$(COLLECTOR)
test: export PROMETHEUS_BINARY := $(CURDIR)/.tools/prometheus
test: check-cc check-versions validate check-rules .tools/gotestsum .tools/prometheus ## Run all tests but e2e; the last line sums up
	@gotestsum --format pkgname-and-test-fails --hide-summary skipped --raw-command -- $(SHELL) -c ' \
		status=0; \
		$(GO) test -json -race ./... || status=1; \
		$(GO) test -C test -json -race -count 1 -parallel 8 -timeout 20m ./harness ./blackbox ./pipeline || status=1; \
		exit $$status'

CONTROL_PLANE := etcd kube-apiserver kube-controller-manager kubectl

.PHONY: e2e
e2e: $(COLLECTOR) .tools/gotestsum .tools/prometheus $(CONTROL_PLANE:%=.tools/%) .tools/prometheus-adapter .tools/alertmanager ## Run deploy/ on a real API server, HPA controller, Prometheus, adapter and Alertmanager
	@gotestsum --format testname --hide-summary skipped --raw-command -- \
		$(GO) test -C test -json -count 1 -timeout 30m ./e2e

.PHONY: e2e-keda
e2e-keda: $(COLLECTOR) .tools/gotestsum .tools/prometheus $(CONTROL_PLANE:%=.tools/%) .tools/keda-operator .tools/keda-adapter ## Run deploy/keda on KEDA's operator and metrics adapter, which take long to build
	@gotestsum --format testname --raw-command -- \
		$(GO) test -C test -json -count 1 -timeout 30m -tags keda -run TestKEDA ./e2e

.PHONY: check-helm
check-helm: .tools/helm $(CONTROL_PLANE:%=.tools/%) ## Compare deploy/helm with deploy/kubernetes; needs the chart: HELM_CHART=folder make check-helm
	@test -f "$${HELM_CHART:-}/Chart.yaml" || { echo 'HELM_CHART must be the folder of the chart:' >&2; sed -n 's/^#   \(helm repo add .*\)/  \1/p' deploy/helm/values.yaml >&2; \
		echo '  helm pull --untar open-telemetry/opentelemetry-collector --version 0.170.0' >&2; exit 1; }
	HELM_CHART="$$(realpath "$$HELM_CHART")" $(GO) test -C test -count 1 -tags helm -run TestHelm ./e2e

.PHONY: lint
lint: .tools/golangci-lint ## Lint all modules
	golangci-lint run ./...
	cd test && golangci-lint run --build-tags keda,helm ./...

.PHONY: fmt
fmt: .tools/golangci-lint ## Format all modules
	golangci-lint fmt ./...
	cd test && golangci-lint fmt ./...

.PHONY: generate
generate: .tools/mdatagen ## Generate metrics, telemetry and their documentation from metadata.yaml
	$(GO) generate ./...

GENERATED := $(foreach folder,receiver exporter,':(glob)$(folder)/**/generated_*' ':(glob)$(folder)/*/internal/metadata*/**' \
	':(glob)$(folder)/*/documentation.md' ':(glob)$(folder)/*/README.md')

.PHONY: check-generated
check-generated: generate ## Fail if generated files are not what `make generate` makes
	@git diff --exit-code -- $(GENERATED) && test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || \
		{ git status --short -- $(GENERATED); echo 'Generated files differ: commit what make generate made.' >&2; exit 1; }

.PHONY: check-versions
check-versions: ## Fail if the versions of the collector are out of step
	@$(GO) test -count 1 ./internal/versions

.PHONY: validate
validate: $(COLLECTOR) ## Validate every file in collector-config/
	@for config in collector-config/*.yaml; do \
		REGION=cn-hangzhou CMS_ENDPOINT=http://127.0.0.1:1 DEMO_KUBECONFIG=kubeconfig \
		ALIBABA_CLOUD_ACCESS_KEY_ID=dummy ALIBABA_CLOUD_ACCESS_KEY_SECRET=dummy \
		DINGTALK_ROBOT_URL='https://oapi.dingtalk.com/robot/send?access_token=dummy' \
		$(COLLECTOR) validate --config "$$config" || { echo "$$config is not valid" >&2; exit 1; }; \
	done

.PHONY: check-rules
check-rules: .tools/promtool ## Check and test the rules in deploy/prometheus/
	@promtool check rules deploy/prometheus/*.rules.yaml >/dev/null
	@promtool test rules deploy/prometheus/tests/*.yaml >/dev/null || promtool test rules deploy/prometheus/tests/*.yaml

.PHONY: tidy
tidy: ## Tidy every module
	@find . -name go.mod -not -path './dist/*' | while read -r mod; do echo "$$mod"; $(GO) -C "$${mod%/*}" mod tidy; done

.PHONY: clean
clean: ## Remove what was built: dist/ and .tools/
	rm -rf dist .tools

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

.PHONY: need-docker
need-docker:
	@docker buildx version >/dev/null 2>&1 || \
		{ echo 'An image needs docker with buildx: https://docs.docker.com/engine/install/' >&2; exit 1; }

.PHONY: check-cc
check-cc:
	@command -v "$$($(GO) env CC)" >/dev/null || \
		{ echo 'The race detector needs a C compiler, on Debian: apt-get install gcc libc6-dev' >&2; exit 1; }

# The builder writes the collector's main package, a module like any other.
dist/src/go.sum: builder-config.yaml go.mod go.sum .tools/builder
	mkdir -p dist
	GOOS= GOARCH= builder --config builder-config.yaml --skip-compilation --skip-strict-versioning=false
	@touch $@

$(COLLECTOR): dist/src/go.sum dist/.platform $(call go_sources,receiver exporter internal/distribution internal/dingtalk internal/alicloud internal/alikafka internal/urlerror)
	$(go_build) -C dist/src $(BUILD_FLAGS) -o $(CURDIR)/$@ .
	@touch $@

# Changes when another platform is built for, and only then.
.PHONY: force
dist/.platform: force
	@mkdir -p dist && echo '$(PLATFORM)' | cmp -s - $@ || echo '$(PLATFORM)' > $@

# $(call build_for,os,architecture,folder) builds all that is shipped.
, := ,
define build_for
	GOOS=$(1) GOARCH=$(2) $(go_build) -C dist/src $(BUILD_FLAGS) -o $(CURDIR)/$(3)/otelcol-aliyunkafkalag .
	GOOS=$(1) GOARCH=$(2) $(go_build) $(BUILD_FLAGS) -o $(CURDIR)/$(3)/ ./cmd/dingtalk-relay ./cmd/lagcheck

endef

# $(call release_for,os/architecture) makes an archive and an SBOM that are the same bytes each time. The SBOM is the
# collector's: the other binaries have no further modules. sed fills in the project's own module, which the build knows
# by its folder only.
os = $(word 1,$(subst /, ,$(1)))
arch = $(word 2,$(subst /, ,$(1)))
define release_for
	$(call build_for,$(os),$(arch),$(release_folder))
	GOOS=$(os) GOARCH=$(arch) cyclonedx-gomod bin -json -std -noserial -notimestamp -version v$(VERSION) \
		-output $(release_folder).cdx.json $(release_folder)/otelcol-aliyunkafkalag
	sed -i 's|\.\./\.\.|github.com/aliyunkafkalag/otelcol-aliyunkafkalag|; s|(devel)|v$(VERSION)|' $(release_folder).cdx.json
	cp -r --parents $(RELEASE_FILES) $(release_folder)
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX -C dist/release -cf - \
		$(notdir $(release_folder)) | gzip -n > $(release_folder).tar.gz
	rm -r $(release_folder)

endef

dist/lagcheck: $(call go_sources,cmd/lagcheck receiver internal/alicloud internal/urlerror)
	$(tool_build) $(BUILD_FLAGS) -o $@ ./cmd/lagcheck
	@touch $@

dist/demo: $(call go_sources,internal/demo internal/cmssim)
	$(tool_build) $(BUILD_FLAGS) -o $@ ./internal/demo
	@touch $@

# The folders under internal/tools are modules of their own, since their dependencies do not agree.

.tools/builder: package := go.opentelemetry.io/collector/cmd/builder
.tools/mdatagen: package := go.opentelemetry.io/collector/cmd/mdatagen
.tools/gotestsum: package := gotest.tools/gotestsum
.tools/builder .tools/mdatagen .tools/gotestsum: internal/tools/go.mod internal/tools/go.sum
	$(tool_build) -C internal/tools $(BUILD_FLAGS) -o $(CURDIR)/$@ $(package)
	@touch $@

.tools/golangci-lint: internal/tools/golangci-lint/go.mod internal/tools/golangci-lint/go.sum
	$(tool_build) -C internal/tools/golangci-lint $(BUILD_FLAGS) -o $(CURDIR)/$@ tool
	@touch $@

# Without service discovery, which brings the SDKs of all clouds along.
.tools/prometheus: package := github.com/prometheus/prometheus/cmd/prometheus
.tools/promtool: package := github.com/prometheus/prometheus/cmd/promtool
.tools/prometheus .tools/promtool: internal/tools/prometheus/go.mod internal/tools/prometheus/go.sum
	$(tool_build) -C internal/tools/prometheus -tags remove_all_sd -trimpath \
		-ldflags '-s -w -X github.com/prometheus/common/version.Version=3.11.0' -o $(CURDIR)/$@ $(package)
	@touch $@

.tools/etcd: package := go.etcd.io/etcd/server/v3
.tools/prometheus-adapter: package := sigs.k8s.io/prometheus-adapter/cmd/adapter
.tools/cyclonedx-gomod: package := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
.tools/helm: package := helm.sh/helm/v3/cmd/helm
.tools/etcd .tools/prometheus-adapter .tools/cyclonedx-gomod .tools/helm: .tools/%: internal/tools/%/go.mod internal/tools/%/go.sum
	$(tool_build) -C internal/tools/$* $(BUILD_FLAGS) -o $(CURDIR)/$@ $(package)
	@touch $@

.tools/keda-operator .tools/keda-adapter: .tools/keda-%: internal/tools/keda/go.mod internal/tools/keda/go.sum
	$(tool_build) -C internal/tools/keda $(BUILD_FLAGS) -o $(CURDIR)/$@ github.com/kedacore/keda/v2/cmd/$*
	@touch $@

# Clients compare versions, which a build from the module does not know.
KUBERNETES := $(shell awk '$$1 == "k8s.io/kubernetes" {print $$2}' internal/tools/kubernetes/go.mod)
kubernetes_variable = -X k8s.io/component-base/version.$(1)
kubernetes_version = $(call kubernetes_variable,gitVersion=$(KUBERNETES)) \
	$(call kubernetes_variable,gitMajor=$(patsubst v%,%,$(word 1,$(subst ., ,$(KUBERNETES))))) \
	$(call kubernetes_variable,gitMinor=$(word 2,$(subst ., ,$(KUBERNETES)))) \
	$(call kubernetes_variable,gitTreeState=clean)
.tools/kube-apiserver .tools/kube-controller-manager .tools/kubectl: .tools/%: internal/tools/kubernetes/go.mod internal/tools/kubernetes/go.sum
	$(tool_build) -C internal/tools/kubernetes -trimpath -ldflags '-s -w $(kubernetes_version)' -o $(CURDIR)/$@ k8s.io/kubernetes/cmd/$*
	@touch $@

# The published module lacks the web pages that it embeds, so it is built from a copy with an empty one.
ALERTMANAGER := v0.34.0
.tools/alertmanager: Makefile
	rm -rf .tools/src/alertmanager && mkdir -p .tools/src
	cp -r "$$($(GO) mod download -json github.com/prometheus/alertmanager@$(ALERTMANAGER) | sed -n 's|.*"Dir": "\(.*\)",|\1|p')" .tools/src/alertmanager
	chmod -R u+w .tools/src/alertmanager
	mkdir -p .tools/src/alertmanager/ui/app/dist && touch .tools/src/alertmanager/ui/app/dist/index.html
	$(tool_build) -C .tools/src/alertmanager $(BUILD_FLAGS) -o $(CURDIR)/$@ ./cmd/alertmanager
	@touch $@
