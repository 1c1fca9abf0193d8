# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of several hosts share, in their VMs.

# shellcheck source=tests/guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"
# shellcheck source=tools/vm/meet.sh
. "$tree/tools/vm/meet.sh"

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
	((!status)) && ! grep -vE 'dbroot|load preferences' <<<"$output" |
		grep -qiE 'traceback|no such|invalid|cannot|not (found|allowed)|could not'
}

# on HOST COMMAND...: only there
on() {
	((HOST_NUMBER == $1)) || return 0
	shift
	"$@"
}

# must WHAT COMMAND...: a test case without which there is no sense in the rest
must() {
	check "$@" || exit 1
}
must_same() {
	same "$@" || exit 1
}

# time_of WORD: when it was said, by the clock of the machine that has all hosts
time_of() {
	stat -c %.Y "$MEET/$1"
}
# between WORD WORD: seconds
between() {
	awk -v a="$(time_of "$1")" -v b="$(time_of "$2")" 'BEGIN { printf "%.1f", b - a }'
}
