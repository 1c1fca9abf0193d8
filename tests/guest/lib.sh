# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2016
# Functions for the guest tests and the demonstration, inside the host VM: they load
# the module, configure the target, start guests, talk to them, and check.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
configfs=/sys/kernel/config/target
# On a slow kernel all waiting may take longer.
slow=${VHOST_TEST_TIMEOUT_FACTOR:-1}
# Is this the debug kernel of tests/debug-kernel?
has_checkers() {
	[[ $(uname -r) == *-vhost-lio-debug* ]]
}
# The QEMU that runs the guests, and what starts it: another user, say.
qemu=${VHOST_GUEST_QEMU:-qemu-system-x86_64}
guest_as=()
guest_memory=768 # MB
work=/run/guest # pipes, consoles, process ids; one directory for each guest

# Names that QEMU and rtslib take: NAA 5, 16 digits.
wwn=naa.5001405000000001
nexus=naa.5001405000000002

note() { printf '# %s\n' "$*"; }

# pause SECONDS: as sleep(1), but no program is started for it. On the debug kernel, in an
# emulated machine, to start one takes a quarter of a second.
exec {never}<> <(:)
pause() {
	read -r -t "$1" -u "$never" _ || :
}

# ---- checks: each is one test case ---------------------------------------

# check WHAT COMMAND...: ok when COMMAND succeeds; its output shows when not
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok - $what"
	else
		echo "not ok - $what"
		[[ -z $output ]] || printf '%s\n' "$output" | tail -n 30 | sed 's/^/#   /'
		return 1
	fi
}

# same WHAT WANTED FOUND
same() {
	if [[ $2 == "$3" ]]; then
		echo "ok - $1"
	else
		printf 'not ok - %s\n#   wanted: %q\n#   found:  %q\n' "$1" "$2" "$3"
		return 1
	fi
}

# within SECONDS COMMAND...: until COMMAND succeeds, at most that long
within() {
	local end=$((SECONDS + $1 * slow))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		pause 0.2
	done
}

# ---- what the documents say ---------------------------------------------

# words STEP: the block of Documentation/two-hosts.rst that follows ".. step: STEP"
words() {
	awk -v want=".. step: $1" '
		$0 == want { on = 1; next }
		on && /^\t/ { print substr($0, 2); has = 1; next }
		on && has && !/^$/ { exit }
		END { exit !has }' "$tree/Documentation/two-hosts.rst"
}

# step STEP: do what that block says. targetcli tells of an error only in words.
step() {
	local commands output status=0
	commands=$(words "$1") || { echo "the document has no step $1"; return 1; }
	output=$(bash -euo pipefail -c "$commands" 2>&1 </dev/null) || status=$?
	printf '%s\n' "$output"
	((!status)) || return
	[[ $commands != *targetcli* ]] || ! grep -vE 'dbroot|load preferences' <<<"$output" |
		grep -qiE 'traceback|no such|invalid|cannot|not (found|allowed)|could not'
}

# ---- the module ------------------------------------------------------------

# VHOST_SCSI_MODULE: a file, or "stock" for the distribution's, to compare.
module_load() {
	local file=${VHOST_SCSI_MODULE:-$tree/vhost_scsi.ko}
	modprobe target_core_mod
	if [[ $file == stock ]]; then
		modprobe vhost_scsi
	else
		insmod "$file"
	fi
}

module_unload() {
	rmdir "$configfs/vhost" 2>/dev/null || :
	rmmod vhost_scsi
}

# ---- the target --------------------------------------------------------------

# What targetcli is told comes on standard input; it says what it did, and what
# went wrong only there, so an error in its words is an error here.
target_cli() {
	local output status=0
	output=$(targetcli 2>&1) || status=$?
	printf '%s\n' "$output" | grep -vE '^(targetcli shell|Copyright|For help|Warning: Could not load preferences|$)' || :
	# It warns each time that its own place for reservations is not the one in use.
	((status == 0)) && ! grep -v dbroot <<<"$output" |
		grep -qiE 'error|traceback|no such|invalid|cannot|not (found|allowed)'
}

# A null_blk that keeps what is written: block_create NAME MB
block_create() {
	local dir=/sys/kernel/config/nullb/$1
	modprobe null_blk nr_devices=0
	mkdir "$dir"
	echo "$2" >"$dir/size"
	echo 1 >"$dir/memory_backed"
	echo 1 >"$dir/power"
}

block_remove() {
	rmdir "/sys/kernel/config/nullb/$1"
}

# The device of a null_blk: block_device NAME
block_device() {
	local named=/dev/$1 # newer kernels name it like its directory
	[[ -b $named ]] || named=/dev/nullb$(<"/sys/kernel/config/nullb/$1/index")
	echo "$named"
}

# A block device by the device mapper: mapped_create HBA/NAME MB TARGET, with DEVICE for what
# it is of
mapped_create() {
	local dir=$configfs/core/$1 name=${1#*/}
	block_create "$name" "$2"
	export DM_DISABLE_UDEV=1
	dmsetup create "$name" --table "0 $(($2 * 2048)) ${3//DEVICE/$(block_device "$name")}"
	dmsetup mknodes "$name"
	modprobe target_core_iblock
	mkdir -p "$dir"
	echo "udev_path=/dev/mapper/$name" >"$dir/control"
	echo 1 >"$dir/enable"
	cat /proc/sys/kernel/random/uuid >"$dir/wwn/vpd_unit_serial"
}

# A disk that can be told not to answer: stall_create HBA/NAME MB
stall_create() {
	mapped_create "$1" "$2" 'linear DEVICE 0'
}

# A disk that takes its time: slow_create HBA/NAME MB READ_MS WRITE_MS
slow_create() {
	modprobe dm-delay
	mapped_create "$1" "$2" "delay DEVICE 0 $3 DEVICE 0 $4"
}

# stall_begin NAME, stall_end NAME: what it was given meanwhile is answered then
stall_begin() {
	dmsetup suspend --nolockfs --noflush "$1"
}

stall_end() {
	dmsetup resume "$1"
}

# Of either.
mapped_remove() {
	store_remove "$1"
	dmsetup remove "${1#*/}"
	block_remove "${1#*/}"
}

# A ramdisk without targetcli's seconds: ramdisk_create HBA/NAME MB. rtslib wants
# an HBA for each backstore, as in rd_mcp_1/disk.
ramdisk_create() {
	local dir=$configfs/core/$1
	mkdir -p "$dir"
	echo "rd_pages=$(($2 * 256))" >"$dir/control"
	echo 1 >"$dir/enable"
	# The serial of a device made by hand is empty, and all such are alike.
	cat /proc/sys/kernel/random/uuid >"$dir/wwn/vpd_unit_serial"
	printf '%s' "${1#*/}" >"$dir/wwn/product_id"
}

# A file: file_create HBA/NAME MB, the file is /tmp/NAME
file_create() {
	local dir=$configfs/core/$1 file=/tmp/${1#*/}
	mkdir -p "$dir"
	truncate -s "$2M" "$file"
	echo "fd_dev_name=$file,fd_dev_size=$(($2 * 1048576))" >"$dir/control"
	echo 1 >"$dir/enable"
	cat /proc/sys/kernel/random/uuid >"$dir/wwn/vpd_unit_serial"
}

# store_remove BACKSTORE, as in store_remove rd_mcp_1/disk
store_remove() {
	rmdir "$configfs/core/$1" "$configfs/core/${1%/*}"
}

# tpg_create WWN TPGT
tpg_create() {
	mkdir -p "$configfs/vhost/$1/tpgt_$2"
	echo "$nexus" >"$configfs/vhost/$1/tpgt_$2/nexus"
}

# lun_add WWN TPGT LUN BACKSTORE, as in lun_add $wwn 1 5 rd_mcp_1/disk
lun_add() {
	local dir=$configfs/vhost/$1/tpgt_$2/lun/lun_$3
	mkdir "$dir"
	ln -s "$configfs/core/$4" "$dir/storage"
}

lun_remove() {
	local dir=$configfs/vhost/$1/tpgt_$2/lun/lun_$3
	rm "$dir/storage"
	rmdir "$dir"
}

# wwn_remove WWN: with all below it
wwn_remove() {
	local tpg lun dir=$configfs/vhost/$1
	for tpg in "$dir"/tpgt_*; do
		for lun in "$tpg"/lun/lun_*; do
			[[ -d $lun ]] && lun_remove "$1" "${tpg##*tpgt_}" "${lun##*lun_}"
		done
		[[ ! -s $tpg/nexus ]] || echo NULL >"$tpg/nexus"
		rmdir "$tpg"
	done
	rmdir "$dir"
}

# The serial and the bytes of a backstore as the target core has them:
# backstore_serial rd_mcp_1/disk
backstore_serial() {
	sed 's/.*: //' "$configfs/core/$1/wwn/vpd_unit_serial"
}

# ---- guests ------------------------------------------------------------------

# guest_qemu NAME OPTIONS...: start QEMU; what it boots and what it has besides
# come from the options
guest_qemu() {
	local dir=$work/$1 pipe
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	: >"$dir/starts"
	for pipe in agent monitor; do
		mkfifo "$dir/$pipe.in" "$dir/$pipe.out"
	done
	# Whoever it is.
	chmod -R a+rwX "$dir"
	guest_watch
	# Without virtualization of its own: QEMU then has no nested state to restore, at which
	# it gave up silently after a migration (Documentation/testing.rst, The host VM).
	"${guest_as[@]}" "$qemu" -nodefaults -display none -accel kvm -cpu host,svm=off,vmx=off \
		-smp 2 -m "$guest_memory" \
		-serial "file:$dir/console" -d cpu_reset -D "$dir/resets" -device virtio-serial \
		-chardev "pipe,id=agent,path=$dir/agent" \
		-device virtserialport,chardev=agent,name=agent \
		-chardev "pipe,id=monitor,path=$dir/monitor" -mon chardev=monitor \
		"$@" </dev/null >"$dir/qemu.log" 2>&1 &
	echo $! >"$dir/pid"
	disown # no word about its end, which is often a kill
	cat "$dir/monitor.out" >"$dir/monitor.log" 2>/dev/null &
}

# A processor of a guest that cannot deliver an exception is reset, and only KVM's trace
# tells where it was.
guest_watch() {
	local trace=/sys/kernel/tracing event
	mountpoint -q "$trace" || mount -t tracefs tracefs "$trace"
	event=$trace/events/kvm/kvm_exit
	[[ -d $event ]] || return 0
	echo 'exit_reason == 0x7f' >"$event/filter" # shutdown, AMD64 APM vol. 2, appendix C
	echo 1 >"$event/enable"
}

# guest_boot NAME OPTIONS...: boot a Linux guest; guest_append is more for its kernel's
# command line, guest_initramfs another initramfs
guest_boot() {
	local name=$1
	shift
	guest_qemu "$name" -kernel "$VHOST_GUEST_KERNEL" -initrd "${guest_initramfs:-$VHOST_GUEST_INITRAMFS}" \
		-append 'console=ttyS0 quiet panic=-1 oops=panic mitigations=off maxcpus=1 pci=noearly tsc=reliable no_timer_check initcall_blacklist=init_kprobe_trace '"${guest_append:-}" "$@"
}

# guest_start NAME OPTIONS...: and wait for it
guest_start() {
	guest_boot "$@"
	guest_ready "$1"
}

# guest_ready NAME: until the guest can be talked to, first or after a reboot
guest_ready() {
	echo >>"$work/$1/starts"
	if ! guest_read "$1" 0 180; then
		echo "# the guest $1 did not come up"
		guest_report "$1"
		return 1
	fi
}

# guest_report NAME: what is known of one that failed: what it says, and where it is if it
# does not answer
guest_report() {
	local dir=$work/$1
	# It says each start on its console (tests/guest/init).
	note "the guest $1: started $(grep -c 'init: the guest has started' "$dir/console") times," \
		"$(wc -l <"$dir/starts") were wanted; what QEMU and its kernel said"
	{
		# Why it stopped comes before the registers, which are many lines.
		grep -iE 'error|fail|abort|extra data' "$dir/qemu.log" | tail -n 10 || :
		tail -n 5 "$dir/qemu.log"
		grep -F 'reason shutdown' /sys/kernel/tracing/trace | tail -n 4 || :
		guest_resets "$1"
		awk '
			{ last[NR] = $0 }
			!first && /BUG:|Oops|general protection|PANIC|Kernel panic|Call Trace/ { first = NR }
			END {
				first = first ? first - 5 : NR - 15
				for (i = first; i <= NR && i < first + 60; i++)
					if (i > 0)
						print last[i]
			}' "$dir/console"
		! guest_alive "$1" || guest "$1" 'dmesg | tail -n 12' 5 || guest_where "$1"
	} 2>/dev/null | tr -d '\r' | cut -c 1-150 | sed 's/^/#   /'
}

# guest_resets NAME: its processors in 64-bit mode when the machine was reset, at the last
# time. One that could not deliver an exception is not among them: KVM has reset it before.
guest_resets() {
	awk '
		/^CPU Reset/ { what = $0; text = "" }
		/^(RAX|RSI|R8 |R12|RIP|CS |SS |GS |GDT|IDT|CR0|EFER)/ { text = text "\n" $0 }
		/^RIP=/ { long = 1 }
		/^EIP=/ { long = 0 }
		/^EFER/ && long { last[what] = what text }
		END { for (what in last) print last[what] }' "$work/$1/resets"
}

# guest_where NAME: what its processors do, as QEMU sees it, three times. Functions
# are those of the host VM's kernel, which is the guest's on Debian's.
guest_where() {
	local i
	for i in 1 2 3; do
		guest_monitor "$1" 'info registers -a' || return 0
		sleep 1
	done
	for i in 0 1; do
		guest_monitor "$1" "info lapic $i"
	done
	guest_monitor "$1" 'info irq'
	sleep 1
	tr -d '\r' <"$work/$1/monitor.log" | awk '
		NR == FNR { if ($2 ~ /^[tT]$/) { at[++n] = $1; name[n] = $3 } next }
		/^(CPU#|LVT|IRR|ISR|Timer|ICR)|^ *[0-9]+: |not / { print }
		/^RIP=/ {
			rip = substr($1, 5)
			best = 0
			for (i = 1; i <= n; i++)
				if (at[i] <= rip && (!best || at[i] > at[best]))
					best = i
			print $1, best ? name[best] : "", $2, $NF
		}' /proc/kallsyms - | cut -c 1-150
	guest_kvm "$1"
}

# guest_kvm NAME: what KVM did for it within two seconds, when its timers are due, in
# nanoseconds, and what KVM did last of all
guest_kvm() {
	local kvm=/sys/kernel/debug/kvm trace=/sys/kernel/tracing
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	kvm=$(echo "$kvm/$(<"$work/$1/pid")"-*)
	paste <(cd "$kvm" && kvm_counts) <(sleep 2; cd "$kvm" && kvm_counts) |
		awk '{ print "KVM, in 2 s: " $1, $4 - $2 }'
	grep -A 1 -F apic_timer_fn /proc/timer_list | grep -F 'expires at' || :
	echo 0 >"$trace/events/kvm/kvm_exit/filter"
	echo 1 >"$trace/events/kvm/enable"
	sleep 1
	echo 0 >"$trace/events/kvm/enable"
	grep -v '^#' "$trace/trace" | tail -n 40 | cut -c 1-150 || :
	: >"$trace/trace"
	guest_watch
}

kvm_counts() {
	local name
	for name in exits halt_exits halt_wakeup irq_exits irq_injections irq_window_exits signal_exits; do
		[[ ! -e $name ]] || echo "$name $(<"$name")"
	done
}

# guest_read NAME NUMBER SECONDS: print what comes until the end of that command,
# and return its status. What went wrong is said on standard error, for callers use
# the output.
guest_read() {
	local line part='' held='' have='' end=$((SECONDS + $3 * slow)) fd
	# For both ways: opening it waits for nobody, and it does not end.
	exec {fd}<>"$work/$1/agent.out"
	while ((SECONDS < end)); do
		if ! IFS= read -r -t 1 -u "$fd" line; then
			part+=$line # of a line whose end has not come yet
			guest_alive "$1" || break
			continue
		fi
		line=$part$line part=''
		if [[ $line == "@@$2 "* ]]; then
			# The agent puts a line end before its mark.
			[[ -z $held ]] || printf '%s\n' "$held"
			exec {fd}<&-
			return "${line##* }"
		fi
		[[ -z $have ]] || printf '%s\n' "$held"
		held=$line have=1
	done
	exec {fd}<&-
	if guest_alive "$1"; then
		echo "# the guest $1 did not answer within $(($3 * slow)) s" >&2
	else
		echo "# the guest $1 is not there any more: it did not answer" >&2
	fi
	return 124
}

# guest NAME COMMAND [SECONDS]: run COMMAND in the guest, its status is ours
guest() {
	guest_tell "$1" "$2" || return
	guest_read "$1" "$guest_number" "${3:-30}"
}

# guest_tell NAME COMMAND: run it, and do not wait
guest_tell() {
	guest_number=$((RANDOM + 1))
	guest_write "$1" agent.in "$guest_number ${2//$'\n'/$'\001'}"
}

# guest_monitor NAME COMMAND: for QEMU's monitor
guest_monitor() {
	guest_write "$1" monitor.in "$2"
}

# guest_write NAME PIPE LINE: into a pipe that QEMU reads. Opened for both ways, it waits
# for no reader; what one that hangs does not read stays in it, and 64 KiB have room.
guest_write() {
	local fd
	guest_alive "$1" || { echo "# the guest $1 is not there" >&2; return 1; }
	exec {fd}<>"$work/$1/$2"
	printf '%s\n' "$3" >&"$fd"
	exec {fd}<&-
}

guest_alive() {
	local pid
	{ read -r pid <"$work/$1/pid"; } 2>/dev/null && [[ -d /proc/$pid ]]
}

# guest_gone NAME SECONDS: until QEMU has ended
guest_gone() {
	within "$2" eval "! guest_alive '$1'"
}

# guest_stop NAME: power off, the hard way after a while
guest_stop() {
	guest_alive "$1" || return 0
	guest_tell "$1" 'sync; poweroff -f' && guest_gone "$1" 15 && return
	guest_kill "$1"
}

# The disks in a guest by LUN: "H:C:T:L device bytes" in the order of LUNs
guest_disks() {
	guest "$1" 'for d in /sys/class/scsi_device/*/device/block/*; do
		[ -e "$d" ] || continue
		read -r n <"$d/size"
		a=${d%/device/block/*}; echo "${a##*/} ${d##*/} $((n * 512))"
	done | sort -t : -k 3n -k 4n'
}

# guest_need NAME OPTIONS...: start it unless it runs and answers. One that does not answer
# hangs, and nothing that the parts do makes that right.
guest_need() {
	if guest_alive "$1"; then
		! guest "$1" true 20 >/dev/null || return 0
		echo "not ok - the guest $1 still answers"
		guest_report "$1"
	fi
	guest_kill "$1"
	guest_start "$@"
}

# guest_kill NAME: no warning
guest_kill() {
	guest_alive "$1" || return 0
	kill -KILL "$(<"$work/$1/pid")" 2>/dev/null || :
	guest_gone "$1" 10
}

# Write and verify a disk of a guest: guest_verify NAME DEVICE MB
guest_verify() {
	guest "$1" "fio --name=verify --filename=/dev/$2 --rw=randwrite --bsrange=4k-64k \
		--size=$3m --ioengine=libaio --iodepth=16 --direct=1 --verify=crc32c \
		--verify_fatal=1 --output=/tmp/fio || { cat /tmp/fio; false; }" 90
}

# Load that does not end by itself, and until it is seen to run:
# guest_load NAME DEVICE
guest_load() {
	guest "$1" "fio --name=load --filename=/dev/$2 --rw=randrw --bs=4k --size=16m \
		--ioengine=libaio --iodepth=32 --direct=1 --time_based --runtime=300 \
		>/dev/null 2>&1 &
		i=0
		until [ \$(cut -c 1-300 /sys/block/$2/stat | awk '{ print \$5 }') -gt \$((100)) ]; do
			i=\$((i + 1)); [ \$i -lt $((100 * slow)) ] || exit 1; sleep 0.1
		done"
}

# guest_symbol NAME SYMBOL: where in its memory a variable of its kernel is, which lies
# where it was linked for
guest_symbol() {
	local address
	address=$(guest "$1" "sed -n 's/ . $2\$//p' /proc/kallsyms")
	echo $((16#$address - 16#ffffffff80000000))
}

# guest_scan NAME: look for LUNs that came. Disks are probed after the scan; it waits for
# those, too.
guest_scan() {
	guest "$1" 'for h in /sys/class/scsi_host/*; do echo "- - -" >$h/scan; done
		for i in $(seq '$((100 * slow))'); do
			late=
			for d in /sys/class/scsi_device/*/device; do
				[ "$(cat $d/type)" != 0 ] || [ -e $d/block ] || late=$d
			done
			[ -n "$late" ] || exit 0
			sleep 0.1
		done
		echo "no disk comes for $late"; exit 1' 60
}

# guest_forget NAME DEVICE: before its LUN goes
guest_forget() {
	guest "$1" "echo 1 >/sys/block/$2/device/delete"
}

# The device of a LUN: guest_disk NAME TARGET LUN
guest_disk() {
	guest_disks "$1" | sed -nE "s/^[0-9]+:0:$2:$3 ([^ ]+) .*/\\1/p"
}
