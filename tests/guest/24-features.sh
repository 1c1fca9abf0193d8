# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# The device does what the table in Documentation/features.rst says, as a driver in a guest finds it.

if has_checkers; then
	echo 'ok - the table of features # SKIP it is the same on a kernel with checkers, and a guest of its own takes minutes'
	return 0
fi
# shellcheck source=tests/guest/features.sh
. "$here/features.sh"
guest_stop main
features_create
trap 'guest_kill features; features_remove 2>/dev/null || :' EXIT # also when the part fails
guest_start features -device "vhost-scsi-pci,wwpn=$features_wwn,num_queues=2,addr=9,t10_pi=on"
if ! features_ask features_grow >/tmp/found 2>&1; then
	echo 'not ok - a driver in the guest has its answers'
	sed 's/^/#   /' /tmp/found
	return 1
fi
# The rows of the table whose first column is one of the questions, with the last column.
table() {
	awk -F '  +' 'NR == FNR { sub(/: .*/, ""); asked[$0] = 1; next }
		$1 in asked { print $1 ": " $5 }' /tmp/found "$tree/Documentation/features.rst"
}
same 'each question has its row' "$(wc -l </tmp/found)" "$(table | wc -l)"
check 'the answers are those of the table' diff <(table | sort) <(sort /tmp/found)
guest_stop features
trap - EXIT
features_remove
