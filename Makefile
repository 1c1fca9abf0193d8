# SPDX-License-Identifier: GPL-2.0-only
# The verbs a person types; the module itself is described in Kbuild.

# The running kernel's headers, or the newest that are installed.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/*/build 2>/dev/null | sort -V | tail -n 1))
# The name of its modules' folder. Debian's config/kernel.release has another one.
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

all: modules

help:
	@echo 'make                build vhost_scsi.ko for KDIR=$(KDIR)'
	@echo 'make install        put it into that kernel'"'"'s updates/ folder; it wins over the distribution'"'"'s'
	@echo 'make uninstall      take it out again; the distribution'"'"'s is back'
	@echo 'make dkms-install   let DKMS build and install it, also for kernels to come'
	@echo 'make dkms-uninstall take that back; the distribution'"'"'s is back'
	@echo 'make deb            the Debian package that does the same, in out/deb'
	@echo 'make package-trial  try that package on fresh Debian roots and boot them (about half an hour)'
	@echo 'make setup          install the Debian packages that building and testing need'
	@echo 'make demo           a guest uses LUNs through the module, in a virtual machine'
	@echo 'make check          tests and style; the last line counts them'
	@echo 'make check-debug    the tests on a kernel that looks for faults; KERNEL=6.1, 7.3, ...;'
	@echo '                    TURN=N: a fifth of the guest tests'
	@echo 'make matrix         selftests and guest tests on the kernels of several Debian suites, with a table;'
	@echo '                    SHORT=1: of the guest tests a part, and nothing that make check does'
	@echo 'make check-hosts    two hosts: a guest moves with its reservations, a host dies; with DRBD, iSCSI,'
	@echo '                    NVMe/TCP, Ceph, Pacemaker; 40 minutes; MOVES=N: as many moves;'
	@echo '                    ENGINE=drbd|iscsi|nvme|ceph: only that'
	@echo 'make lio-patches    each patch in Documentation/lio-patches cures its fault, on the newest kernel'
	@echo 'make qemu-patches   the patch in Documentation/qemu-patches does what it says, with QEMU built from source'
	@echo 'make architectures the module builds for the other architectures of this Debian'
	@echo 'make check-all      all of these, every part, and package-trial; hours'
	@echo 'make coverage       which lines of the module the tests execute'
	@echo 'make style          warnings, sparse, layers, checkpatch, shellcheck only'
	@echo 'make soak T=S       tests by chance for S seconds, on the debug kernel if it was built;'
	@echo '                    SEED=N repeats what N did, DEBUG=1 builds that kernel'
	@echo 'make fuzz T=S       the fuzzers of tests/unit for S seconds; needs clang'
	@echo 'make bench          compare with the stock module and with LIO alone, see tools/bench/run --help;'
	@echo '                    BENCH="--quick --json FILE" are its options, KERNEL=6.1, 7.3, ...'
	@echo 'make bench-guest    fio in a guest, with the stock module, this one, and QEMU'"'"'s own virtio-scsi'
	@echo 'make clean          remove what was built'

# Each of these ends with one sentence that says what to do.
headers:
	@test -n '$(KDIR)' || { echo "no kernel headers found: 'make setup' installs Debian's, or say KDIR=..."; exit 1; }
	@test -e '$(KDIR)/include/generated/utsrelease.h' || { \
		echo "KDIR=$(KDIR) has no kernel headers: say where they are, or leave KDIR out for those of this machine"; exit 1; }

installer: headers
	@test -n '$(INSTALL_MOD_PATH)' || test "$$(id -u)" = 0 || { \
		echo "this changes /lib/modules, which needs root: sudo make $(MAKECMDGOALS)"; exit 1; }

modules: headers
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: installer
	$(MAKE) --no-print-directory modules
	@! ls '$(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)/updates/dkms/vhost_scsi.ko'* 2>/dev/null || \
		{ echo 'DKMS has put it there: remove the package vhost-lio-dkms, or make dkms-uninstall'; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) KERNELRELEASE=$(RELEASE) INSTALL_MOD_DIR=updates modules_install
# Where the target core keeps reservations over a power loss: its own place, and Debian's
# rtslib's. Nothing else makes it.
	install -d '$(INSTALL_MOD_PATH)/etc/target/pr' '$(INSTALL_MOD_PATH)/etc/rtslib-fb-target/pr'
	install -D tools/ocf/lun '$(INSTALL_MOD_PATH)/usr/lib/ocf/resource.d/vhost-lio/lun'
	depmod -b '$(INSTALL_MOD_PATH)/' $(RELEASE)

uninstall: installer
	rm -f '$(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)/updates/vhost_scsi.ko'*
	rm -rf '$(INSTALL_MOD_PATH)/usr/lib/ocf/resource.d/vhost-lio'
	depmod -b '$(INSTALL_MOD_PATH)/' $(RELEASE)

clean:
	test ! -e '$(KDIR)/Makefile' || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	for dir in tests/lib tests/unit tests/selftests tools/bench; do \
		test ! -e $$dir/Makefile || $(MAKE) -C $$dir clean; done
	rm -rf out

dkms-install dkms-uninstall:
	tools/dkms $(@:dkms-%=%)

package-trial:
	tests/package/trial

setup deb demo check style:
	tools/$@

KERNEL ?= 6.1
check-debug:
	KERNEL='$(KERNEL)' TURN='$(TURN)' tools/check debug

check-all:
	.ci/run all

lio-patches:
	tests/lio-patches/run

qemu-patches:
	tests/qemu-patches/run

architectures:
	tools/architectures

check-hosts:
	tests/hosts/run $(if $(MOVES),--moves $(MOVES)) $(if $(ENGINE),--engine $(ENGINE))

coverage:
	tests/debug-kernel/check --coverage --kernel '$(KERNEL)'

# MATRIX: which suites or series; all without. SHORT=1: as .ci/run has it
matrix:
	tools/matrix $(if $(filter-out 0,$(SHORT)),--short) $(MATRIX)

# A make variable is no environment variable.
bench:
	KERNEL='$(KERNEL)' tools/bench/run $(BENCH)

bench-guest:
	KERNEL='$(KERNEL)' tools/bench/run guest $(BENCH)

T = 600
soak:
	tools/soak $(if $(SEED),--seed $(SEED)) $(if $(filter-out 0,$(DEBUG)),--debug) $(T)

fuzz:
	$(MAKE) -C tests/unit run_fuzz SECONDS=$(T)

.PHONY: all help headers installer modules install uninstall clean dkms-install dkms-uninstall package-trial setup deb \
	demo check check-all check-hosts lio-patches qemu-patches architectures style check-debug coverage matrix soak fuzz bench \
	bench-guest
