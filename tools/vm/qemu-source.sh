# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Debian's source of this machine's QEMU. After lib.sh and ../apt.sh.

# qemu_version: that of the source of the installed package
qemu_version() {
	# shellcheck disable=SC2016 # dpkg's own
	dpkg-query -W -f '${source:Version}' qemu-system-x86 2>/dev/null
}

# qemu_fetch VERSION DIR: the source package; the newest, if that version is not on the mirror any
# more. In a subshell: it changes the directory.
qemu_fetch() {
	apt_needs apt-get
	apt_lock
	apt_for "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" deb-src
	cd "$2" || return
	apt-get "${apt[@]}" source --download-only "qemu=$1" ||
		apt-get "${apt[@]}" source --download-only qemu
}

# qemu_unpack DIR TREE: the source package in DIR as Debian builds it, in TREE
qemu_unpack() {
	local name
	tar -C "$2" --strip-components=1 -xf "$1"/qemu_*.orig.tar.* || return
	tar -C "$2" -xf "$1"/qemu_*.debian.tar.* || return
	while read -r name; do
		patch -s -d "$2" -p1 -i "$2/debian/patches/$name" || return
	done < <(grep -vE '^(#|$)' "$2/debian/patches/series")
}
