# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What is measured: workloads and variants of the module. For run and inside.

# A line for each variant: its name, the module (stock, ours, floor, or a file), and
# what is set. A variant of which something does not exist is left out of the run.
#   tpg:NAME=VALUE    an attribute of the target port group
#   core:NAME=VALUE   an attribute of each backstore
#   param:NAME=VALUE  a parameter of the module
#   debug:NAME=VALUE  a file of the module in debugfs
#   bench:OPTION      for the guest; bench --help
#
# An emulated guest needs some 200 us from a response to its next request: to poll for
# less is in vain.
variants() {
	cat <<'END'
stock        stock
stock-direct stock core:submit_type=1 core:complete_type=1
ours         ours
ours-pinned  ours  tpg:pin_memory=1
ours-polling ours  tpg:poll_us=2000
ours-tuned   ours  tpg:pin_memory=1 tpg:poll_us=2000
ours-workers ours  bench:-w
ours-latency ours  debug:latency=1
ours-8m      ours  bench:-M2048
ours-0m      ours  bench:-M0
stock-huge   stock bench:-H
ours-huge    ours  bench:-H
floor        floor
END
	# Those of the command line.
	[[ -z ${BENCH_EXTRA:-} ]] || printf '%s\n' "$BENCH_EXTRA"
}

size_name() {
	if (($1 >= 1048576)); then echo "$(($1 / 1048576))m"; else echo "$(($1 / 1024))k"; fi
}

# workload STORE KIND BYTES DEPTH [QUEUES [LUNS]]: a line for it
#   NAME STORE PERCENT ORDER BYTES DEPTH QUEUES LUNS
workload() {
	local percent=100 order=random queues=${5:-1} luns=${6:-1} name
	name=$1-$(size_name "$3")-$2-qd$4
	((queues == 1)) || name+=-q$queues
	((luns == 1)) || name+=-l$luns
	case $2 in
	write | seqwrite) percent=0 ;;
	mix) percent=70 ;;
	esac
	[[ $2 != seq* ]] || order=sequential
	echo "$name $1 $percent $order $3 $4 $queues $luns"
}

workloads_quick() {
	local store
	for store in ramdisk null; do
		workload "$store" read 4096 1
		workload "$store" read 4096 32
		workload "$store" read 65536 8
	done
}

workloads_default() {
	local store depth
	workloads_quick
	for store in ramdisk null; do
		workload "$store" write 4096 1
		workload "$store" write 4096 32
		workload "$store" read 4096 128
		workload "$store" mix 4096 32
		workload "$store" read 4096 32 4
		workload "$store" read 4096 32 1 4
		workload "$store" seqread 1048576 4
		workload "$store" seqwrite 1048576 4
	done
	for store in buffered direct; do
		for depth in 1 32; do
			workload "$store" read 4096 "$depth"
			workload "$store" write 4096 "$depth"
		done
		workload "$store" seqread 65536 8
	done
}

workloads_all() {
	local store depth queues
	workloads_default
	for store in ramdisk null buffered direct; do
		for depth in 1 8 32 128; do
			workload "$store" read 4096 "$depth"
			workload "$store" write 4096 "$depth"
			workload "$store" mix 4096 "$depth"
		done
		for depth in 1 8 32; do
			workload "$store" seqread 65536 "$depth"
			workload "$store" seqwrite 65536 "$depth"
		done
		for depth in 1 4; do
			workload "$store" seqread 1048576 "$depth"
			workload "$store" seqwrite 1048576 "$depth"
		done
		for queues in 2 4 8; do
			workload "$store" read 4096 1 "$queues"
			workload "$store" read 4096 32 "$queues"
			workload "$store" mix 4096 32 "$queues"
		done
		workload "$store" read 4096 32 1 4
		workload "$store" mix 4096 32 4 4
	done
}

# workloads LEVEL [REGEX]: each once
workloads() {
	"workloads_$1" | awk -v regex="${2:-.}" '$1 ~ regex && !seen[$1]++'
}
