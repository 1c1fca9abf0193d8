#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the selftests and prints one TAP stream; the last line counts.
#
#   run.sh [TEST...]      names as in the Makefile; all without
#   run.sh --list         these names
#
# VHOST_TEST_TIMEOUT_FACTOR=N multiplies all time limits. VHOST_TEST_SECONDS=N, the
# time of random tests, and VHOST_TEST_CHAINS=N of fuzz_ring add to them.
# VHOST_TEST_LEAVE_OUT=TEST,... are not run, unless they are named.
# VHOST_TEST_SHARE=K/N runs the Kth of N shares, for as many VMs side by side.

cd "$(dirname "$0")" || exit 1

# The lists of the Makefile, whose lines may end with a backslash.
mapfile -t all < <(awk '
	/^TEST_(GEN_)?PROGS :=/ { in_list = 1; sub(/^.*:=/, "") }
	in_list { in_list = sub(/\\$/, ""); print }' Makefile | xargs -n 1)
if [[ ${1:-} == --list ]]; then
	printf '%s\n' "${all[@]}"
	exit
fi
if ((!$#)); then
	IFS=/ read -r share shares <<<"${VHOST_TEST_SHARE:-1/1}"
	for ((i = share - 1; i < ${#all[@]}; i += shares)); do
		[[ ,${VHOST_TEST_LEAVE_OUT:-}, == *,${all[i]},* ]] || set -- "$@" "${all[i]}"
	done
fi

# A program limits its own tests; this is for the programs.
limit=300
while IFS='=' read -r key value; do
	[[ $key != timeout ]] || limit=$value
done <settings
limit=$((limit + ${VHOST_TEST_CHAINS:-0} / 100))
factor=${VHOST_TEST_TIMEOUT_FACTOR:-1}
[[ $factor =~ ^[1-9][0-9]*$ ]] || factor=1
seconds=${VHOST_TEST_SECONDS:-0}
[[ $seconds =~ ^[0-9]+$ ]] || seconds=0
limit=$((limit * factor + seconds))

n=0 passed=0 failed=0 skipped=0

# result STATUS NAME [DIRECTIVE]
result() {
	n=$((n + 1))
	case $1 in
	pass) passed=$((passed + 1)) && echo "ok $n $2" ;;
	skip) skipped=$((skipped + 1)) && echo "ok $n $2 # SKIP ${3-}" ;;
	*) failed=$((failed + 1)) && echo "not ok $n $2${3:+ # $3}" ;;
	esac
}

# run_one TEST: renumber its results.
run_one() {
	local test=$1 line name why planned='' seen=0 status start=$SECONDS

	while IFS= read -r line; do
		case $line in
		'TAP version'*) ;;
		'exit status '*) status=${line##* } ;;
		'1..0'*)
			planned=0
			why=${line#*# SKIP }
			result skip "$test" "$why"
			;;
		'1..'*) planned=${line#1..} ;;
		'ok '* | 'not ok '*)
			seen=$((seen + 1))
			name=${line#not }
			name=${name#ok * }
			why=''
			[[ $name != *' # '* ]] || why=${name#* # }
			name=$test.${name%% # *}
			case $line in
			'not ok '*) result fail "$name" "$why" ;;
			*' # SKIP '*) result skip "$name" "${why#SKIP }" ;;
			*) result pass "$name" ;;
			esac
			;;
		*) echo "$line" ;;
		esac
	done < <(timeout -k 5 "$limit" "./$test" 2>&1; echo "exit status $?")

	# A program that ended before its tests did has failed, too.
	if [[ -z $planned || $planned != "$seen" ]]; then
		result fail "$test" "exit status $status, $seen of ${planned:-?} results"
	fi
	echo "# $test: $((SECONDS - start)) s"
}

echo 'TAP version 13'
for test in "$@"; do
	run_one "$test"
done
echo "1..$n"
echo "# $passed passed, $failed failed, $skipped skipped"
if ((failed)); then
	exit 1
fi
((skipped < n)) || exit 4
