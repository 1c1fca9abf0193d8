# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2154
# What run prints of the results, lines of WORKLOAD VARIANT ROUND KEY=VALUE...

# What all reports begin with: names in the order in which they came, and
# value(KEY), of this line.
report_awk='
	function value(key,   i, pair) {
		for (i = 4; i <= NF; i++)
			if (split($i, pair, "=") == 2 && pair[1] == key)
				return pair[2]
		return ""
	}
	function median(list, n,   i, j, t) {
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
				t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
			}
		return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
	}
	!($1 in seen_workload) { seen_workload[$1]; workload[++workloads] = $1 }
	!($2 in seen_variant) { seen_variant[$2]; variant[++variants] = $2 }
'

# report_instructions RESULTS RELEASE
report_instructions() {
	echo "Linux $2, thousands of instructions a command; in brackets: of the worker"
	awk "$report_awk"'
		{ total[$1, $2] = value("ns_per_command"); worker[$1, $2] = value("worker_ns") }
		END {
			printf "%-26s", ""
			for (v = 1; v <= variants; v++)
				printf " %15s", variant[v]
			printf " %11s\n", "ours/stock"
			for (w = 1; w <= workloads; w++) {
				name = workload[w]
				printf "%-26s", name
				for (v = 1; v <= variants; v++) {
					t = total[name, variant[v]]
					cell = t == "" ? "-" : sprintf("%.1f", t / 1000)
					if (worker[name, variant[v]] != "")
						cell = cell sprintf(" (%.1f)", worker[name, variant[v]] / 1000)
					printf " %15s", cell
				}
				if (total[name, "stock"] && total[name, "ours"])
					printf " %11.2f", total[name, "ours"] / total[name, "stock"]
				printf "\n"
			}
		}' "$1"
}

# The first variant that ran is what the others are measured by.
report_time() {
	echo "Linux $2, medians of $(cut -d ' ' -f 3 "$1" | sort -nu | tail -n 1) rounds; other variants in parts of the first"
	awk "$report_awk"'
		BEGIN { keys = split("ns_per_command p50 p99 p999", key) }
		{
			for (k = 1; k <= keys; k++)
				at[$1, $2, $3, k] = value(key[k])
			if ($3 > rounds)
				rounds = $3
		}
		function parts(w, v, k, base,   r, n, list) {
			for (r = 1; r <= rounds; r++) {
				if (at[w, v, r, k] == "" || (base != "" && !at[w, base, r, k]))
					continue
				list[++n] = at[w, v, r, k] / (base == "" ? 1000 : at[w, base, r, k])
			}
			return n ? median(list, n) : ""
		}
		function cell(x, format) { return x == "" ? "-" : sprintf(format, x) }
		END {
			printf "%-26s %-14s %10s %8s %8s %8s\n", "", "", "a command", "p50", "p99", "p99.9"
			for (w = 1; w <= workloads; w++)
				for (v = 1; v <= variants; v++) {
					printf "%-26s %-14s", v == 1 ? workload[w] : "", variant[v]
					for (k = 1; k <= keys; k++)
						printf " %*s", k == 1 ? 10 : 8, v == 1 ? \
							cell(parts(workload[w], variant[v], k, ""), "%.1f us") : \
							cell(parts(workload[w], variant[v], k, variant[1]), "%.2f")
					printf "\n"
				}
		}' "$1"
}

# table KEY FORMAT RESULTS [UNIT]: workloads down, variants across; the format is of the
# value in UNITs, and of what it is in parts of the first line's
table() {
	awk -v key="$1" -v format="$2" -v unit="${4:-1}" "$report_awk"'
		{ cell[$1, $2] = value(key) }
		END {
			printf "%-26s", ""
			for (v = 1; v <= variants; v++)
				printf " %14s", variant[v]
			printf "\n"
			for (w = 1; w <= workloads; w++) {
				printf "%-26s", workload[w]
				for (v = 1; v <= variants; v++) {
					x = cell[workload[w], variant[v]]
					one = cell[workload[1], variant[v]]
					printf " %14s", x == "" ? "-" : sprintf(format, x / unit, one ? x / one : 0)
				}
				printf "\n"
			}
		}' "$3"
}

report_memory() {
	echo "Linux $2, MiB of kernel memory for each open device"
	table mib %.2f "$1"
}

report_fairness() {
	echo "Linux $2, the first queue's 4K commands in parts of what they are without the flood"
	table ratio %.2f "$1"
}

report_scale() {
	echo "Linux $2, thousands of instructions a command; in brackets: in parts of what it is with one of each"
	table ns_per_command '%.1f (%.2f)' "$1" 1000
}

report_guest() {
	echo "fio in a guest, the host on Linux $2; medians of $(cut -d ' ' -f 3 "$1" | sort -nu | tail -n 1) rounds, ratios within a round"
	awk "$report_awk"'
		BEGIN { keys = split("iops p50 p99", key) }
		{
			for (k = 1; k <= keys; k++)
				at[$1, $2, $3, k] = value(key[k])
			if ($3 > rounds)
				rounds = $3
		}
		function mid(w, v, k, base,   r, n, list) {
			for (r = 1; r <= rounds; r++)
				if (at[w, v, r, k] != "" && (base == "" || at[w, base, r, k]))
					list[++n] = at[w, v, r, k] / (base == "" ? 1 : at[w, base, r, k])
			return n ? median(list, n) : 0
		}
		# The other one may not have been measured.
		function times(w, v, base,   ratio) {
			ratio = mid(w, v, 1, base)
			return ratio ? sprintf("%.2f", ratio) : "-"
		}
		END {
			printf "%-18s %-12s %8s %9s %9s %9s %9s\n", "", "", "IOPS", "p50 us", "p99 us", "to stock", "to qemu"
			for (w = 1; w <= workloads; w++)
				for (v = 1; v <= variants; v++)
					printf "%-18s %-12s %8.0f %9.0f %9.0f %9s %9s\n", v == 1 ? workload[w] : "", variant[v],
						mid(workload[w], variant[v], 1, ""), mid(workload[w], variant[v], 2, ""),
						mid(workload[w], variant[v], 3, ""), times(workload[w], variant[v], "stock"),
						times(workload[w], variant[v], "qemu")
		}' "$1"
}

# report_json RESULTS MEASURE RELEASE
report_json() {
	awk -v measure="$2" -v release="$3" -v commit="$(git -C "$top" describe --always --dirty 2>/dev/null)" '
		BEGIN {
			printf "{\n  \"measure\": \"%s\",\n  \"kernel\": \"%s\",\n  \"commit\": \"%s\",\n  \"results\": [", measure, release, commit
		}
		{
			printf "%s\n    {\"workload\": \"%s\", \"variant\": \"%s\", \"round\": %d", (NR == 1 ? "" : ","), $1, $2, $3
			for (i = 4; i <= NF; i++)
				if (split($i, pair, "=") == 2)
					printf ", \"%s\": %s", pair[1], pair[2]
			printf "}"
		}
		END { print "\n  ]\n}" }' "$1"
}

# report_svg RESULTS MEASURE RELEASE FILE
report_svg() {
	local data what='thousands of instructions a command'
	[[ $2 == instructions ]] || what='microseconds a command (median)'
	data=$(awk "$report_awk"'
		{ list[$1, $2, ++n[$1, $2]] = value("ns_per_command") / 1000 }
		END {
			printf "workload"
			for (v = 1; v <= variants; v++)
				printf " %s", variant[v]
			printf "\n"
			for (w = 1; w <= workloads; w++) {
				printf "%s", workload[w]
				for (v = 1; v <= variants; v++) {
					m = n[workload[w], variant[v]]
					for (i = 1; i <= m; i++)
						one[i] = list[workload[w], variant[v], i]
					printf " %s", m ? median(one, m) : "-"
				}
				printf "\n"
			}
		}' "$1")
	gnuplot <<-END
		set terminal svg size $((200 + 70 * $(wc -l <<<"$data"))),600 noenhanced background 'white'
		set output '$4'
		set title 'vhost-scsi on Linux $3'
		set ylabel '$what'
		set style data histograms
		set style histogram clustered gap 1
		set style fill solid
		set datafile missing '-'
		set xtics rotate by -35
		set yrange [0:*]
		set grid y
		set key outside top center horizontal
		\$data << EOD
		$data
		EOD
		plot for [i=2:$(head -n 1 <<<"$data" | wc -w)] \$data using i:xtic(1) title columnheader(i)
	END
}
