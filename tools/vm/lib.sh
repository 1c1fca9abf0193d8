# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # most of what is set here is for those who read it
# What the programs of tools/ share: where things are, how a message looks.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${VHOST_LIO_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vhost-lio}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# room MB DIR: end unless the disk of DIR, which is made, has so much left
room() {
	local free
	mkdir -p "$2" || die "$2 cannot be made"
	free=$(($(df --output=avail -m "$2" | tail -n 1)))
	((free < $1)) || return 0
	[[ $2 != "$cache" ]] || die "the disk is full: $2 has $free MB left, and this needs $1; make room there, or say VHOST_LIO_CACHE=DIRECTORY on another disk"
	die "the disk is full: $2 has $free MB left, and this needs $1; make room there"
}

# guest_image: make what a guest boots, and export where it is
guest_image() {
	local made
	made=$("$top/tests/guest/image") || die 'there is nothing that a guest could boot; the reason stands above'
	export VHOST_GUEST_KERNEL=${made%%$'\n'*} VHOST_GUEST_INITRAMFS=${made#*$'\n'}
}

# guest_images [PART...]: what the guests of these parts of the guest test boot; all without
guest_images() {
	guest_image
	(($#)) && [[ " $* " != *' 14 '* && " $* " != *' 25 '* && " $* " != *' 27 '* ]] && return
	VHOST_GUEST_NODES=$("$top/tests/guest/nodes") || die 'there is nothing that a node of a cluster could boot; the reason stands above'
	export VHOST_GUEST_NODES
}

# tree_files: the files of the tree that belong to it, each ended by a NUL. git would refuse
# a clone of another user's; whoever runs this runs that user's programs already.
tree_files() {
	if [[ -e $top/.git ]]; then
		git -C "$top" -c safe.directory='*' ls-files -z --cached --others --exclude-standard
	else
		(cd "$top" && find . -path ./out -prune -o -type f ! -name '*.o' ! -name '*.ko' ! -name '.*.cmd' -print0)
	fi
}

# The newest release that has both an image and modules: newest_kernel [ROOT]
newest_kernel() {
	local root=${1:-} image release
	for image in "$root"/boot/vmlinuz-*; do
		release=${image##*/vmlinuz-}
		[[ -d $root/lib/modules/$release ]] && echo "$release"
	done | sort -V | tail -n 1
}

# vm_headers: have make build for the kernel that a host VM boots. The running one, or the newest
# headers, may be of another, which would not load the module.
vm_headers() {
	local build
	build=/lib/modules/$(newest_kernel)/build
	[[ -n ${KDIR:-} || ! -e $build ]] || export KDIR=$build
}

# kernel_locate RELEASE|DIR|'': sets kernel_root, kernel_release, kernel_image.
# DIR is an unpacked image package, or what modules_install and install made:
# boot/vmlinuz-RELEASE beside lib/modules/RELEASE.
kernel_locate() {
	kernel_root='' kernel_release=$1
	if [[ -d $1 ]]; then
		kernel_root=$(cd "$1" && pwd)
		kernel_release=''
	fi
	[[ -n $kernel_release ]] || kernel_release=$(newest_kernel "$kernel_root")
	[[ -n $kernel_release ]] ||
		die "no kernel with its modules under ${kernel_root:-/}boot and ${kernel_root}/lib/modules; 'make setup' installs Debian's"
	kernel_image=$kernel_root/boot/vmlinuz-$kernel_release
	[[ -r $kernel_image ]] || die "cannot read $kernel_image"
	[[ -e $kernel_root/lib/modules/$kernel_release/modules.dep ]] ||
		die "no modules.dep in $kernel_root/lib/modules/$kernel_release; run depmod on it"
}

# kernel_unpacked: the image of kernel_locate in a form that QEMU starts at once.
# Under emulation a kernel takes longer to decompress itself than to boot, so
# this is done here, once; an image that has no PVH entry stays as it is.
kernel_unpacked() {
	local key unpacked base offset length tmp
	key=$(stat -Lc '%n %s %Y' "$kernel_image" | sha256sum | cut -c 1-16)
	unpacked=$cache/vmlinux-$kernel_release-$key
	if [[ ! -e $unpacked ]]; then
		room 150 "$cache"
		tmp=$(mktemp "$cache/tmp.XXXXXX")
		# The x86 boot protocol: setup_sects, payload_offset, payload_length.
		base=$((($(od -An -tu1 -j $((0x1f1)) -N 1 "$kernel_image") + 1) * 512))
		offset=$(od -An -tu4 -j $((0x248)) -N 4 "$kernel_image")
		length=$(od -An -tu4 -j $((0x24c)) -N 4 "$kernel_image")
		# All but gzip have the unpacked length in four bytes after the stream.
		# In this order: a reader that ends early would end the writer, too.
		head -c $((base + offset + length)) "$kernel_image" | tail -c $((length)) >"$tmp.packed"
		case $(od -An -tx1 -N 2 "$tmp.packed") in
		' fd 37') head -c -4 "$tmp.packed" | xz -dc >"$tmp" ;;
		' 28 b5') head -c -4 "$tmp.packed" | zstd -qdc >"$tmp" ;;
		' 1f 8b') gzip -dc <"$tmp.packed" >"$tmp" ;;
		esac
		rm "$tmp.packed"
		# 0x12 is XEN_ELFNOTE_PHYS32_ENTRY.
		if ! readelf -n "$tmp" 2>/dev/null | grep -qE '0x0*12\)'; then
			ln -sf "$kernel_image" "$tmp"
		fi
		mv "$tmp" "$unpacked"
	fi
	echo "$unpacked"
}

# without_wanted LOG: a kernel log without what looks like a fault and is none. While a
# test has allocations fail, the kernel shows the stack of those whose failure is rare:
# those few lines; and the stacks that a VM shows when its time is nearly up. DRBD of 6.1 sleeps
# under rcu_read_lock() when a handler has fenced the peer (Documentation/two-hosts.rst).
without_wanted() {
	awk '
		/Voluntary context switch within RCU read-side critical section/ { held = 1; text = "" }
		held {
			text = text $0 "\n"
			if (/end trace/) {
				if (text ~ /w_after_conn_state_ch.*\[drbd\]/)
					text = "(DRBD sleeps)\n"
				printf "%s", text
				held = 0
			}
			next
		}
		/vm: time is nearly up/ { exit }
		/faults are injected from here on/ { injected = 1 }
		/no more faults are injected/ { injected = 0 }
		injected && /: vmalloc error: size |percpu: allocation failed, / { lines = 8 }
		lines && lines-- && /Call Trace:/ { lines = 0; print "(a stack)"; next }
		{ print }
		END { if (held) printf "%s", text }' "$1"
}

# first_fault DIR: the first line in a VM's logs that must not be there, if there is one
first_fault() {
	local log line
	for log in "$1"/{kmsg,console}.log; do
		[[ -e $log ]] || continue
		line=$(without_wanted "$log" |
			grep -m 1 -E -f <(grep -vE '^(#|$)' "$top/tools/vm/splats") | cut -c 1-160) || :
		[[ -z $line ]] || { echo "$line" && break; }
	done
}

# timed FILE COMMAND...: its status; FILE gets its seconds, and those of the processors that it
# took, which are the same on a busy machine
timed() {
	# COMMAND may be a function, which sees these names.
	local _file=$1 _status=0 TIMEFORMAT='%0R %0U %0S' _out _err
	shift
	exec {_out}>&1 {_err}>&2
	{ time "$@" >&"$_out" 2>&"$_err" {_out}>&- {_err}>&- || _status=$?; } 2>"$_file"
	exec {_out}>&- {_err}>&-
	return "$_status"
}

# took FILE: what timed wrote, to be read
took() {
	local real user system
	read -r real user system <"$1"
	echo "$real s, $((user + system)) s of processor"
}

# progress DONE ALL WHAT: where a long run is, DONE of its ALL steps being done, on standard
# error. On a terminal each of these lines takes the place of the one before it. The first call
# is the beginning.
progress() {
	local elapsed left='' line
	: "${progress_began:=$EPOCHSECONDS}"
	elapsed=$((EPOCHSECONDS - progress_began))
	((!$1 || $1 >= $2)) || left=", about $(clock $((elapsed * ($2 - $1) / $1))) left"
	line="# $1 of $2 done after $(clock "$elapsed")$left: $3"
	if [[ ! -t 2 ]]; then
		printf '%s\n' "$line"
	elif (($1 < $2)); then
		printf '\r\e[K%s' "${line::${COLUMNS:-80}-1}"
	else
		printf '\r\e[K%s\n' "$line"
	fi >&2
}

# progress_clear: something else is to be printed
progress_clear() {
	[[ ! -t 2 ]] || printf '\r\e[K' >&2
}

# clock SECONDS: as 1:02:03
clock() {
	printf '%d:%02d:%02d' $(($1 / 3600)) $(($1 / 60 % 60)) $(($1 % 60))
}

# explain NAME LOG [DIR]: the first case of LOG that failed, and what DIR, the directory of
# its VM, has of it; at most 160 lines. Continuous integration shows no more of a run than
# its end: so each run ends with this for what failed first.
explain() {
	local name=$1 log=$2 dir=${3:-} what='' fault
	what=$(grep -m 1 -oP '^(# to be judged: )?\Knot ok .*' "$log" 2>/dev/null)
	printf '\n==== what failed first: %s: %s\n' "$name" "${what:-it ended without a case that failed}"
	{
		if [[ $what ]]; then
			# Selftests say why before the result, parts of the guest test after it.
			grep -m 1 -B 12 -A 40 -F -- "$what" "$log"
		else
			tail -n 50 "$log"
		fi
		if [[ -s $dir/kmsg.log ]]; then
			echo '---- the kernel log before and after it:'
			fault=$(first_fault "$dir")
			if ! grep -m 1 -B 30 -A 30 -F -- "${fault:-test: ${what:-not ok}}" "$dir/kmsg.log"; then
				tail -n 30 "$dir/kmsg.log"
			fi
		fi
		if [[ -s $dir/console.log ]]; then
			echo '---- the end of the console:'
			tail -n 15 "$dir/console.log"
		fi
	} 2>/dev/null | tr -d '\r' | cut -c 1-160 | sed 's/^/  /' | head -n 155
	echo '==== end of what failed first'
}
