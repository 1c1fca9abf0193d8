# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Packages of other suites, and sources, without a change to this machine's APT. After
# lib.sh.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_needs PROGRAM...: end if this is no Debian
apt_needs() {
	local program
	for program; do
		command -v "$program" >/dev/null ||
			die "$program is missing: packages of Debian are fetched on Debian only"
	done
	[[ -r $keyring ]] || die "$keyring is missing; the package debian-archive-keyring has it"
}

# apt_lock: one at a time
apt_lock() {
	mkdir -p "$cache/apt"
	exec {apt_lock}>"$cache/apt/lock"
	flock "$apt_lock"
}

# The addresses of this machine's Debian: those that serve its own release, and
# its security updates. Names that end in debian are Debian's, if there are any;
# others may serve their own packages for the same release.
mirror() {
	local codename targets kind=$1
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # APT's own
	targets=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null | sort -u) || :
	awk -v codename="$codename" -v kind="$kind" '
		$3 != "main" { next }
		$2 == codename kind || $2 ~ "^(old)*stable" kind "$" || kind == "-security" && $2 ~ /\/updates$/ {
			if ($1 ~ /\/debian(-security)?\/?$/) debian = $1
			else other = $1
		}
		END { print debian ? debian : other }' <<<"$targets"
}

# sources SUITE [deb-src]: lines of a sources.list
sources() {
	local main security type=${2:-deb}
	main=$(mirror '')
	[[ -n $main ]] ||
		die "this machine's APT sources have no Debian main archive whose suite could be changed to $1; look at /etc/apt/sources.list"
	echo "$type [signed-by=$keyring] $main $1 main"
	security=$(mirror -security)
	if [[ $1 != *-* && -n $security ]]; then
		echo "$type [signed-by=$keyring] $security $1-security main"
	fi
}

# apt_for SUITE [deb-src|'' [ARCHITECTURE]]: sets apt, the options of a private APT with the
# lists of that suite and nothing else. Of another architecture, without security updates.
apt_for() {
	local root=$cache/apt/$1${2:+-$2}${3:+-$3}
	apt=(-q -o "Dir::State=$root/state" -o "Dir::Cache=$root/cache" -o Dir::State::status=/dev/null
		-o "Dir::Etc::SourceList=$root/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Acquire::Languages=none -o APT::Sandbox::User=
		-o APT::Update::Error-Mode=any)
	[[ ! ${3:-} ]] || apt+=(-o "APT::Architecture=$3" -o "APT::Architectures=$3")
	mkdir -p "$root"/state/lists/partial "$root"/cache/archives/partial
	sources "$1" ${2:+"$2"} | if [[ ${3:-} ]]; then head -n 1; else cat; fi >"$root/sources.list.new"
	mv "$root/sources.list.new" "$root/sources.list"
	if ! apt-get "${apt[@]}" update >"$root/update.log" 2>&1; then
		if [[ -n $(find "$root/state/lists" -maxdepth 1 \( -name '*Packages*' -o -name '*Sources*' \) -print -quit) ]]; then
			echo "${0##*/}: the package lists of $1 cannot be read anew, taking those of before" >&2
		else
			grep -E '^(E|W|Err)' "$root/update.log" >&2 || tail -n 5 "$root/update.log" >&2
			die "the mirror's package lists of $1 cannot be read: is there a network, and does the mirror have that suite?"
		fi
	fi
}
