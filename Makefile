# SPDX-License-Identifier: GPL-2.0
#
# lnkfs: the kernel module, its tools and their tests. "make help" lists the
# targets. The module's own list of objects is in Kbuild.

top := $(CURDIR)
build := $(top)/build
cache := $(or $(LNKFS_CACHE),$(build))

# Headers to build the module for: the running kernel's, else any installed,
# else those of a test kernel.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build/Makefile \
		/usr/src/linux-headers-*-amd64/Makefile \
		$(cache)/kernels/*/headers/Makefile))
kdir := $(abspath $(patsubst %/Makefile,%,$(KDIR)))
KVER = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(kdir)/include/generated/utsrelease.h)

PREFIX ?= /usr/local
DESTDIR ?=
MODDIR ?= $(DESTDIR)/lib/modules/$(KVER)/updates

# The kernels that the tests boot, and the one that "make run" boots.
TEST_KERNELS ?= 6.1 6.12
KERNEL ?= 6.1
abi = $(shell cat $(cache)/kernels/$(1)/abi)
headers = $(cache)/kernels/$(1)/headers

ifeq ($(V),1)
Q :=
else
Q := @
endif

# $(call mirror,DIR): the module's sources in DIR, by symlinks: the objects for one
# kernel stay apart from those for another, and out of the source tree.
define mirror
mkdir -p $(1) && find $(1) -type l -delete && \
find Kbuild fs -name Kbuild -o -name '*.[chS]' | (cd $(1) && while read -r f; do \
	mkdir -p "$$(dirname "$$f")" && ln -s "$(top)/$$f" "$$f" || exit; done)
endef

all: modules tools

help:
	@echo 'all           module and tools (the default)'
	@echo 'modules       lnkfs.ko here, for the kernel headers in KDIR=$(kdir)'
	@echo 'tools         the tools, in build/tools'
	@echo 'install       install module, tools, libraries, headers, man pages, udev rule (DESTDIR=, PREFIX=$(PREFIX))'
	@echo 'deb           the Debian packages, in build/deb (DEB_VERSION=)'
	@echo 'run           a tour of lnkfs in a virtual machine, or CMD=... there (KERNEL=$(KERNEL))'
	@echo 'run-root      a Debian system on lnkfs, from its packages, in a virtual machine (as root) (KERNEL=$(KERNEL))'
	@echo 'check         every test: static, unit, and in virtual machines with kernels $(TEST_KERNELS)'
	@echo 'check-static  builds without warnings for each kernel, and sparse'
	@echo 'check-unit    the unit tests of the core, in userspace'
	@echo 'check-fsck    cases of damage, and 20,000 volumes damaged at random (FSCK_IMAGES=, FSCK_SEED=)'
	@echo 'check-vm      the tests in virtual machines (TEST_KERNELS=, SUITES=)'
	@echo 'check-debug   the same with a debug kernel: KASAN, lockdep, kmemleak (SUITES=)'
	@echo 'check-stress  hours of fsx, fio, dbench, stress-ng and full volumes (TEST_KERNELS=)'
	@echo 'check-crash   thousands of states in which a crash leaves a volume, and all sequences of two operations (CRASHLOG_SEED=, ACE_SEED=)'
	@echo 'check-fuzz    10,000 hostile images in the debug kernel, the core under libFuzzer (FUZZ_IMAGES=, FUZZ_SEED=, FUZZ_SECONDS=)'
	@echo 'check-faults  devices that fail or go away, allocations that fail (debug kernel) (TEST_KERNELS=)'
	@echo 'check-diff    the comparison with ext4 and XFS, with more and longer scripts'
	@echo 'check-races   hours of operations that race with each other, also with the debug kernel'
	@echo 'check-packages install, upgrade and remove the packages, DKMS, a root on lnkfs that loses power (as root) (TEST_KERNELS=)'
	@echo 'bench         lnkfs beside tmpfs, ext4, XFS and btrfs: instructions, I/O, memory; an hour or two (QUICK=1: minutes; TEST_KERNELS=, BENCH=options of tests/bench/bench)'
	@echo 'deps          install what building and testing need (as root, Debian 12)'
	@echo 'htmldocs      the documents as HTML, in build/html'
	@echo 'linkcheck     whether the addresses in the documents answer (needs the network)'
	@echo 'test-modules  the module for each of the test kernels'
	@echo 'test-programs the tests that run in virtual machines'
	@echo 'uninstall     remove what install has installed, the modules of all kernels included'
	@echo 'clean         remove what was built'
	@echo 'distclean     remove also what was downloaded'

modules:
	$(if $(kdir),,$(error no kernel headers found: install linux-headers-amd64 or set KDIR))
	$(Q)$(call mirror,$(build)/modules-$(KVER))
	$(Q)$(MAKE) -C $(kdir) M=$(build)/modules-$(KVER) modules
	$(Q)cp $(build)/modules-$(KVER)/lnkfs.ko lnkfs.ko

tools:
	$(Q)mkdir -p $(build)/tools
	$(Q)$(MAKE) $(if $(Q),-s) -C tools O=$(build)/tools all

install: all
	$(Q)$(MAKE) $(if $(Q),-s) -C tools O=$(build)/tools DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' install
	$(Q)install -d $(MODDIR)
	$(Q)set -e; for f in Documentation/*.[1-8] Documentation/man/*.[1-8]; do \
		[ ! -e $$f ] || install -D -m 644 $$f \
			"$(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/}"; done
	$(Q)install -m 644 lnkfs.ko $(MODDIR)
	$(Q)[ -n "$(DESTDIR)" ] || PATH="$$PATH:/usr/sbin:/sbin" depmod $(KVER)
	$(Q)[ -n "$(DESTDIR)" ] || PATH="$$PATH:/usr/sbin:/sbin" ldconfig

deb:
	$(Q)tests/vm/setup -o tools/debian/packages
	$(Q)tools/debian/build $(if $(DEB_VERSION),-v '$(DEB_VERSION)')

deps:
	$(Q)tests/vm/setup

# W=1, because these builds are also the check for warnings.
test-modules: $(TEST_KERNELS:%=test-module-%)
test-module-%: deps
	$(Q)$(call mirror,$(build)/ko-$(call abi,$*))
	$(Q)mkdir -p $(build)/logs
	$(Q)tests/build-module $* $(call headers,$*) $(build)/ko-$(call abi,$*)

test-programs: deps tools
	$(Q)mkdir -p $(build)/selftests-obj
	$(Q)$(MAKE) $(if $(Q),-s) -C tests/selftests KSFT=$(cache)/kselftest OUTPUT=$(build)/selftests-obj \
		CORE=$(build)/tools/lib/liblnkfs-core.a STAGE=$(build)/selftests stage

run-says:
	@echo 'Building the module for $(KERNEL) and the tools; booting a virtual machine.'

run: run-says test-module-$(KERNEL) tools
	$(Q)KERNEL=$(KERNEL) tests/vm/tour-host $(if $(CMD),'$(subst ','\'',$(CMD))')

run-root: deps deb tools
	$(Q)tests/vm/setup tests/packages/packages
	$(Q)tests/packages/tour -k '$(KERNEL)'

check: deps
	$(Q)KERNELS='$(TEST_KERNELS)' tests/check $(SUITES)

check-static: deps
	$(Q)KERNELS='$(TEST_KERNELS)' tests/check static

check-unit: deps
	$(Q)KERNELS='$(TEST_KERNELS)' tests/check unit

# More volumes than the slice in "check".
check-fsck: FSCK_IMAGES ?= 20000
check-fsck: deps
	$(Q)FSCK_IMAGES='$(FSCK_IMAGES)' FSCK_SEED='$(FSCK_SEED)' LNKFS_SLOW=3 tests/check fsck

check-vm: deps
	$(Q)KERNELS='$(TEST_KERNELS)' tests/check $(or $(SUITES),vm)

# The limits are for Debian's kernels; this one takes several times as long.
check-debug: deps
	$(Q)tests/debug/kernel
	$(Q)LNKFS_SLOW=8 KERNELS=debug tests/check $(or $(SUITES),vm)

check-stress: deps
	$(Q)KERNELS='$(TEST_KERNELS)' tests/check campaign

# More seeds and longer scripts than the slice in "check".
check-diff: deps
	$(Q)DIFF_LONG=1 LNKFS_SLOW=3 KERNELS='$(TEST_KERNELS)' tests/check diff

# More images than the slice in "check", and the fuzzer, which needs clang.
check-fuzz: FUZZ_IMAGES ?= 10000
check-fuzz: FUZZ_SECONDS ?= 600
check-fuzz: deps
	$(Q)tests/vm/setup tests/fuzz/packages
	$(Q)tests/debug/kernel
	$(Q)FUZZ_IMAGES='$(FUZZ_IMAGES)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_SEED='$(FUZZ_SEED)' \
		LNKFS_LIMIT=14400 LNKFS_SLOW=8 KERNELS=debug tests/check fuzz

# More operations and states than the slice in "check".
check-crash: deps
	$(Q)CRASHLOG_LONG=1 CRASHLOG_SEED='$(CRASHLOG_SEED)' ACE_SEED='$(ACE_SEED)' LNKFS_SLOW=3 \
		KERNELS='$(TEST_KERNELS)' tests/check $(or $(SUITES),crashlog ace)

# Every pair of operations and many mixes; the limits are those of the debug kernel.
check-races: RACES_KERNELS ?= debug 6.12
check-races: deps
	$(Q)tests/debug/kernel
	$(Q)RACES_LONG=1 LNKFS_LIMIT=14400 LNKFS_SLOW=8 KERNELS='$(RACES_KERNELS)' tests/check races

# Allocations and requests that fail one at a time, with the debug kernel; devices that
# fail under load, every way, with the others.
check-faults: deps
	$(Q)tests/debug/kernel
	$(Q)LNKFS_SLOW=8 KERNELS=debug tests/check faults
	$(Q)IOERR_LONG=1 LNKFS_SLOW=3 KERNELS='$(TEST_KERNELS)' tests/check ioerr

# The life of the packages in a Debian root, and "run-root", for each kernel.
check-packages: deps
	$(Q)tests/vm/setup tests/packages/packages
	$(Q)PACKAGES_LONG=1 LNKFS_LIMIT=7200 KERNELS='$(TEST_KERNELS)' tests/check packages

bench: test-modules tools
	$(Q)set -e; for k in $(TEST_KERNELS); do \
		tests/bench/bench -k $$k $(if $(QUICK),--quick) $(BENCH); done

# What would be installed is installed elsewhere, to know its names.
uninstall: tools
	$(Q)rm -rf $(build)/uninstall
	$(Q)$(MAKE) -s -C tools O=$(build)/tools DESTDIR=$(build)/uninstall PREFIX='$(PREFIX)' install
	$(Q)for f in Documentation/man/*.[1-8]; do \
		echo ".$(PREFIX)/share/man/man$${f##*.}/$${f##*/}"; done >$(build)/uninstall.list
	$(Q)(cd $(build)/uninstall && find . ! -type d) >>$(build)/uninstall.list
	$(Q)cd '$(DESTDIR)/' && xargs -d '\n' rm -f <$(build)/uninstall.list
	$(Q)rm -rf $(build)/uninstall $(build)/uninstall.list
	$(Q)for f in '$(DESTDIR)'/lib/modules/*/updates/lnkfs.ko; do \
		[ -e "$$f" ] || continue; k=$${f%/updates/*}; rm "$$f"; \
		[ -n "$(DESTDIR)" ] || PATH="$$PATH:/usr/sbin:/sbin" depmod "$${k##*/}"; done
	$(Q)[ -n "$(DESTDIR)" ] || PATH="$$PATH:/usr/sbin:/sbin" ldconfig

SPHINXBUILD ?= sphinx-build
sphinx = $(SPHINXBUILD) -q -E -W -n --keep-going -d $(build)/doctrees

sphinx:
	$(Q){ command -v $(SPHINXBUILD) && command -v mandoc; } >/dev/null || \
		printf '%s\n' python3-sphinx mandoc | tests/vm/setup -o /dev/stdin

htmldocs: sphinx
	$(Q)$(sphinx) -b html Documentation $(build)/html
	$(Q)echo 'The documents are in $(build)/html/index.html'

linkcheck: sphinx
	$(Q)$(sphinx) -b linkcheck Documentation $(build)/linkcheck

clean:
	$(Q)rm -rf $(build)/ko-* $(build)/modules-* $(build)/tools $(build)/unit $(build)/fsck $(build)/crashlog* $(build)/ace-* \
		$(build)/fuzz $(build)/bench $(build)/selftests $(build)/selftests-obj $(build)/guest $(build)/vm \
		$(build)/html $(build)/doctrees $(build)/linkcheck $(build)/deb $(build)/packages \
		$(build)/logs lnkfs.ko

distclean: clean
	$(Q)rm -rf $(build)

.PHONY: all help modules tools install uninstall deb deps test-modules test-programs run-says \
	run run-root check check-static check-unit check-fsck check-vm check-debug check-stress \
	check-diff check-crash check-races check-fuzz check-faults check-packages bench sphinx \
	htmldocs linkcheck clean distclean
