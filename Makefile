# crane-keepalived: every habit of the project. `make help` lists them; `make test` is all of them, as CI runs it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# V=1 shows every command
$(V).SILENT:

# the distribution's own: the bindings of rpm, which the venv borrows, exist for this python3 alone
PYTHON := /usr/bin/python3
VENV := .venv
FLOOR := .venv-floor
PYTEST := PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK := 1

NAME := crane-keepalived
VERSION := $(shell awk '/^Version:/ { print $$2 }' $(NAME).spec)
# RELEASE=0.1 DIST=build/older: a package to upgrade from, in a repository of its own
RELEASE := 1
DIST := dist
# POLICY=DIR: for the SELinux policy of another system, whose root folder DIR is or is a copy of
POLICY :=
# --nocheck: without the unit and golden tests
RPMFLAGS :=
# where the packages for another policy go
VM_DIST = $(abspath build/vm/packages-$(notdir $(abspath $(POLICY))))
TOPDIR := $(abspath build/rpm-$(RELEASE)$(if $(POLICY),-$(notdir $(abspath $(POLICY)))))

# all that git tracks, or would: a dirty tree builds as it stands
SOURCES = $(shell git ls-files -co --exclude-standard | sort | while read -r f; do [ -f "$$f" ] && echo "$$f" || :; done)
SHELL_SCRIPTS = $(shell grep -lE '^\#!.*[ /](ba|da)?sh|^\# shellcheck shell=' scripts/* tests/*/*.sh .ci/run 2>/dev/null)
PYTHON_SCRIPTS = $(shell grep -lE '^\#!.*python' scripts/* 2>/dev/null)

# Two builds of one commit are one file: one clock, one host name, and no time of this build anywhere.
export SOURCE_DATE_EPOCH := $(or $(shell git log -1 --format=%ct 2>/dev/null),$(shell date -u -d "$$(awk '/^%changelog/ { getline; print $$3, $$4, $$5 }' $(NAME).spec)" +%s))
RPMBUILD = rpmbuild \
	--define '_topdir $(TOPDIR)' --define '_dbpath $(RPMDB)' --define 'pkgrelease $(RELEASE)' \
	--define '_buildhost reproducible' --define 'use_source_date_epoch_as_buildtime 1' \
	--define 'clamp_mtime_to_source_date_epoch 1' \
	$(if $(POLICY),--define 'selinux_devel $(abspath $(POLICY))/usr/share/selinux/devel')
RPMDB = $(shell rpm --eval '%{?fedora}%{?rhel}%{?openEuler}' | grep -q . && rpm --eval '%_dbpath' || echo $(TOPDIR)/rpmdb)
# stamps, for the packages' own times are that of the commit
SRPM = $(DIST)/.srpm
RPM = $(DIST)/.rpm
TARBALL = $(TOPDIR)/SOURCES/$(NAME)-$(VERSION).tar.gz

##@ To begin
.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: packages repo ## build, boot two nodes, install, configure, break them, print what a client saw
	$(PYTHON) tests/lab/demo.py

.PHONY: deps
deps: packages $(VENV)/.ready $(FLOOR)/.ready ## install what building and testing needs (Debian 12, EL 9; as root)

##@ Tests, from milliseconds to minutes
.PHONY: test
test: ## all of it, what CI runs
	$(MAKE) deps
	$(MAKE) check
	$(MAKE) rpm-test
	$(MAKE) model
	$(MAKE) selinux
	$(MAKE) lab
	$(MAKE) faults
	$(MAKE) vm

.PHONY: check
check: static unit golden scripts floor ## all that needs no package and no node

.PHONY: static
static: $(VENV)/.ready ## ruff, mypy, shellcheck, mandoc, rpmlint of the spec, the floor of Python 3.9
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy src $(wildcard tests)
	for script in $(PYTHON_SCRIPTS); do MYPYPATH=src $(VENV)/bin/mypy "$$script"; done
	$(VENV)/bin/vermin --quiet --no-tips --eval-annotations --violations -t=3.9- src $(PYTHON_SCRIPTS)
	shellcheck --external-sources --source-path=SCRIPTDIR $(SHELL_SCRIPTS)
	mandoc -T lint -W warning docs/*.[78]
	$(VENV)/bin/rpmlint --config .rpmlint.toml $(NAME).spec
	$(PYTEST) tests/static

.PHONY: unit
unit: $(VENV)/.ready ## the Python modules, each alone
	$(PYTEST) tests/unit

.PHONY: golden
golden: $(VENV)/.ready ## rendered files byte for byte, accepted by the real keepalived
	$(PYTEST) tests/golden

.PHONY: scripts
scripts: $(VENV)/.ready ## the real shell scripts, with fake programs on PATH
	$(PYTEST) tests/scripts

.PHONY: floor
floor: $(FLOOR)/.ready ## unit and golden again, with the jinja2, PyYAML and pytest of EL 9
	PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 $(FLOOR)/bin/python -m pytest tests/unit tests/golden

.PHONY: rpm-test
rpm-test: $(VENV)/.ready repo ## the packages: header, payload, scriptlets, rpmlint, built twice
	$(PYTEST) tests/rpm

.PHONY: lab
lab: $(VENV)/.ready repo older ## two nodes: install, failover, every failure (as root)
	$(PYTEST) tests/lab --ignore-glob='*/test_faults_*' --ignore-glob='*/test_chaos*'

.PHONY: faults
faults: $(VENV)/.ready repo older ## two nodes: more faults, each a test of its own, and a walk over forty of them
	$(PYTEST) tests/lab/test_faults_*.py tests/lab/test_chaos.py

N := 40
SEED :=
.PHONY: chaos
chaos: packages repo ## a random walk over N faults; SEED=n walks the same way again
	$(PYTHON) tests/lab/chaos.py $(N) $(SEED)

.PHONY: model
model: $(VENV)/.ready ## the failover as a state machine, every order of events (spin)
	$(PYTEST) tests/model

.PHONY: selinux
selinux: $(VENV)/.ready ## the SELinux module, linked: what it allows, and all that it must not
	$(PYTEST) tests/selinux

.PHONY: selinux-check
selinux-check: $(VENV)/.ready ## the same on the policy of another system: POLICY=DIR, a copy of its root folder
	@[ -d "$(POLICY)/etc/selinux/targeted" ] || { echo "POLICY=DIR: no etc/selinux/targeted in \"$(POLICY)\"" >&2; exit 2; }
	SELINUX_POLICY=$(abspath $(POLICY)) $(PYTEST) tests/selinux

.PHONY: vm
vm: $(VENV)/.ready ## a machine that boots with SELinux enforcing, and real NFS (POLICY=DIR: on another policy)
	$(MAKE) repo RPMFLAGS=--nocheck $(if $(POLICY),DIST=$(VM_DIST)/1)
	$(MAKE) repo RPMFLAGS=--nocheck RELEASE=0.1 DIST=$(if $(POLICY),$(VM_DIST)/0.1,build/older)
	$(if $(POLICY),VM_POLICY=$(abspath $(POLICY)) VM_REPOSITORY=$(VM_DIST)/1 VM_OLDER=$(VM_DIST)/0.1) $(PYTEST) -o faulthandler_timeout=1800 tests/vm

.PHONY: bench
bench: packages repo ## outages and costs, beside the CraneSched manual's set-up and Pacemaker (RUNS=3 ONLY=ours FAULTS='kill,idle')
	$(PYTHON) tests/lab/bench.py

# who runs these has not asked for the unit tests, which %check would run
demo bench lab faults chaos: RPMFLAGS := --nocheck

##@ Packages, in dist/
.PHONY: srpm rpm repo
srpm: $(SRPM) ## the source package
rpm: $(RPM) ## the packages (RELEASE=0.1 DIST=build/older: one to upgrade from)
repo: $(DIST)/repodata/repomd.xml ## a dnf repository of them

$(SRPM): $(SOURCES)
	echo "building the packages in $(DIST)/ ..."
	rm -rf $(TOPDIR)
	mkdir -p $(DIST) $(TOPDIR)/SOURCES $(TOPDIR)/SPECS
	rm -f $(DIST)/$(NAME)-*.rpm
	@printf '%s\n' $(SOURCES) | tar --create --files-from=- --transform='s,^,$(NAME)-$(VERSION)/,' --format=gnu \
		--sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=u+rw,go=u-w | gzip -9n >$(TARBALL)
	install -m 0644 $(NAME).spec $(TOPDIR)/SPECS/
	chmod 0644 $(TARBALL)
	touch -d @$(SOURCE_DATE_EPOCH) $(TARBALL) $(TOPDIR)/SPECS/$(NAME).spec
	$(RPMBUILD) --quiet -bs $(TOPDIR)/SPECS/$(NAME).spec
	mv $(TOPDIR)/SRPMS/*.src.rpm $(DIST)/
	touch $@

$(RPM): $(SRPM)
	$(RPMBUILD) $(RPMFLAGS) --rebuild $(DIST)/*.src.rpm >$(TOPDIR)/build.log 2>&1 || { tail -n 60 $(TOPDIR)/build.log; exit 1; }
	mv $(TOPDIR)/RPMS/noarch/*.rpm $(DIST)/
	touch -d @$(SOURCE_DATE_EPOCH) $(DIST)/*.rpm
	touch $@

$(DIST)/repodata/repomd.xml: $(RPM)
	rm -rf $(DIST)/repodata
	createrepo_c --quiet --no-database --simple-md-filenames --workers=1 \
		--revision=$(SOURCE_DATE_EPOCH) --set-timestamp-to-revision $(DIST)
	touch $@

.PHONY: older
older: ## an older build of the packages in build/older, for upgrades
	@$(MAKE) --no-print-directory repo RELEASE=0.1 DIST=build/older RPMFLAGS=--nocheck

##@ Housekeeping
.PHONY: format
format: $(VENV)/.ready ## let ruff lay out the Python
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: clean
clean: ## remove all that was built, not the installed tools
	rm -rf --one-file-system build dist .mypy_cache .pytest_cache .ruff_cache
	find src scripts tests -name __pycache__ -prune -exec rm -rf {} +

# ---- tools ----

APT := bzip2 ca-certificates checkpolicy cpio createrepo-c dnf gawk gcc git gpg iproute2 keepalived libmagic1 m4 \
	mandoc mmdebstrap openssh-client policycoreutils python3 python3-jinja2 python3-pytest python3-rpm \
	python3-venv python3-yaml qemu-system-x86 qemu-utils rpm selinux-policy-default selinux-policy-dev \
	semodule-utils shellcheck spin systemd-container util-linux zstd
DNF := bzip2 checkpolicy cpio createrepo_c dnf file-libs gawk gcc git-core iproute keepalived mandoc openssh-clients \
	policycoreutils python3 python3-jinja2 python3-pytest python3-pyyaml python3-rpm rpm-build \
	selinux-policy-devel selinux-policy-targeted ShellCheck systemd-container systemd-rpm-macros \
	util-linux zstd

.PHONY: packages
packages:
	@. /etc/os-release; case " $$ID $${ID_LIKE:-} " in \
	*" debian "*) \
		missing=$$(for p in $(APT); do [ "$$(dpkg-query -W -f='$${db:Status-Status}' "$$p" 2>/dev/null)" = installed ] || echo "$$p"; done); \
		[ -z "$$missing" ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; } ;; \
	*" rhel "* | *" fedora "*) \
		missing=$$(for p in $(DNF); do rpm -q --quiet "$$p" || echo "$$p"; done); \
		[ -z "$$missing" ] || { [ "$$ID" = fedora ] || dnf -y install epel-release; dnf -y install $$missing; } ;; \
	*) echo "make deps knows Debian 12 and EL 9; here, install by hand what the Makefile lists in APT and DNF" >&2; exit 1 ;; \
	esac

$(VENV)/.ready: tests/requirements.txt | packages
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --requirement tests/requirements.txt
	touch $@

# the build constraints: PyYAML 5.4.1 has no wheel for Debian 12's Python, and no longer builds with today's Cython
$(FLOOR)/.ready: tests/requirements-floor.txt tests/constraints-floor.txt | packages
	$(PYTHON) -m venv --clear $(FLOOR)
	PIP_CONSTRAINT=tests/constraints-floor.txt $(FLOOR)/bin/pip install --quiet --use-pep517 --requirement tests/requirements-floor.txt
	touch $@
