# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Systems of other suites, to build modules for their kernels in, and with another QEMU.
# After lib.sh.

# What such a system has besides: the compiler of its kernel, a checker that knows what this
# compiler knows, and a QEMU.
root_packages='make gcc libc6-dev kmod sparse qemu-system-x86 seabios'

# root_of SUITE RELEASE [SECONDS]: a system of that suite with what building a
# module takes, made within SECONDS
root_of() {
	local suite=$1 release=$2 base=${1%-backports} root work lock
	root=$cache/root-$suite-$release-$(sha256sum <<<"$root_packages" | cut -c 1-8)
	mkdir -p "$cache"
	# Who comes second waits, and finds it.
	exec {lock}>"$cache/root-$suite.lock"
	flock "$lock"
	if [[ ! -e $root/.complete ]]; then
		echo "${0##*/}: making a system of $suite to build in" >&2
		room 4000 "$cache"
		work=$(mktemp -d "$cache/tmp.XXXXXX")
		# Newer headers come with the kernel, which is not booted from there.
		if ! {
			"$top/tools/kernels" --apt "$base" && { [[ $base == "$suite" ]] || "$top/tools/kernels" --apt "$suite"; }
		} >"$work/sources" ||
			! INITRD=No timeout -k 5 "${3:-1800}" mmdebstrap --quiet --variant=apt --aptopt="APT::Default-Release \"$suite\"" \
				--include="$root_packages linux-headers-$release" \
				"$base" "$work/root" "$work/sources" </dev/null >"$work/log" 2>&1; then
			tail -n 20 "$work/log" >&2
			rm -rf "$work"
			exec {lock}>&-
			return 1
		fi
		touch "$work/root/.complete"
		rm -rf "$root"
		mv "$work/root" "$root"
		rm -rf "$work"
	fi
	exec {lock}>&-
	touch "$root"
	# What nothing has used for a month goes.
	find "$cache" -maxdepth 1 -name 'root-*' ! -path "$root" -mtime +30 -exec rm -rf {} +
	echo "$root"
}

# in_root ROOT COMMAND...: with /proc, which objtool reads
in_root() {
	# shellcheck disable=SC2016
	unshare --mount sh -c '[ "$1" = / ] || mount -t proc proc "$1/proc" && exec chroot "$@"' sh "$@"
}

# qemu_of ROOT DIR: a QEMU of another system, with that system's libraries and firmware;
# a script in DIR
qemu_of() {
	local root=${1%/} file=$2/qemu
	[[ -n $root ]] || { command -v qemu-system-x86_64 && return; }
	cat >"$file" <<TEXT
#!/bin/sh
exec '$root/lib64/ld-linux-x86-64.so.2' --library-path \\
	'$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu' \\
	'$root/usr/bin/qemu-system-x86_64' -L '$root/usr/share/qemu' -L '$root/usr/share/seabios' "\$@"
TEXT
	chmod +x "$file"
	echo "$file"
}
