# SPDX-License-Identifier: GPL-2.0
#
# For case files: bash, begins with ". "$(dirname "$0")/common.sh"", ends with
# "finish". It runs as root, and finds
#
#   $DIR	an empty directory on lnkfs, which is also the working directory
#   $BS		the volume's block size
#   $EXT4	an empty directory on ext4
#   $TOOLS	the directory of the programs built from tests/tools/*.c
#
# and the tools of build/tools in $PATH.
# shellcheck shell=bash
set -u

tap_cases=0
tap_failed=0
tap_finished=
tap_tmp=$(mktemp -d /tmp/case.XXXXXX)
chmod 755 "$tap_tmp"
: >"$tap_tmp/err"

tap() # STATUS DESCRIPTION
{
	tap_cases=$((tap_cases + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_cases - $2"
	else
		sed 's/^/# /' "$tap_tmp/out" "$tap_tmp/err" | tail -n 40
		echo "not ok $tap_cases - $2"
		tap_failed=1
	fi
}

tap_run() # COMMAND...: its output in files, its status in $tap_status
{
	tap_status=0
	"$@" >"$tap_tmp/out" 2>"$tap_tmp/err" || tap_status=$?
}

# Processes are slow in a guest, so this and the like use none.
tap_read() # out|err: what the command printed, without newlines at the end
{
	IFS= read -r -d '' tap_text <"$tap_tmp/$1" || :
	while [[ $tap_text == *$'\n' ]]; do
		tap_text=${tap_text%$'\n'}
	done
}

# The command succeeds.
ok() # DESCRIPTION COMMAND...
{
	tap_run "${@:2}"
	[ $tap_status = 0 ] || echo "exit status $tap_status: ${*:2}" >>"$tap_tmp/err"
	tap $tap_status "$1"
}

# The command fails and says so on standard error: TEXT is part of that.
fails() # TEXT DESCRIPTION COMMAND...
{
	local good=1
	tap_run "${@:3}"
	tap_read err
	if [ $tap_status != 0 ] && [ $tap_status -lt 126 ] && [[ $tap_text == *"$1"* ]]; then
		good=0
	fi
	[ $good = 0 ] || echo "exit status $tap_status, expected '$1': ${*:3}" >>"$tap_tmp/err"
	tap $good "$2"
}

# The command succeeds and prints just TEXT.
is() # TEXT DESCRIPTION COMMAND...
{
	local good=1
	tap_run "${@:3}"
	tap_read out
	if [ $tap_status = 0 ] && [ "$tap_text" = "$1" ]; then
		good=0
	fi
	[ $good = 0 ] || echo "exit status $tap_status, expected '$1': ${*:3}" >>"$tap_tmp/err"
	tap $good "$2"
}

# A program that prints TAP: its cases count.
program() # DESCRIPTION COMMAND...
{
	local status
	"${@:2}" 2>&1 | sed -u 's/^/# /'
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || echo "exit status $status: ${*:2}" >"$tap_tmp/err"
	: >"$tap_tmp/out"
	tap "$status" "$1"
}

skip() # DESCRIPTION WHY
{
	tap_cases=$((tap_cases + 1))
	echo "ok $tap_cases - $1 # SKIP $2"
}

# Run a command as a user, without capabilities: ok "text" as alice ls
as() # alice|bob COMMAND...
{
	local id
	case $1 in
	alice) id=1000 ;;
	bob) id=1001 ;;
	*) return 1 ;;
	esac
	setpriv --reuid $id --regid $id --clear-groups "${@:2}"
}

# The last line of a case file.
finish()
{
	tap_finished=yes
	exit $tap_failed
}

tap_end()
{
	if [ -z "$tap_finished" ]; then
		: >"$tap_tmp/out"
		: >"$tap_tmp/err"
		tap 1 "the case file comes to its end"
	fi
	echo "1..$tap_cases"
	rm -rf "$tap_tmp"
	exit $tap_failed
}
trap tap_end EXIT
