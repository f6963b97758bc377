# SPDX-License-Identifier: GPL-2.0
#
# Documentation/quick-start.rst, recipes.rst and migrating.rst: every command that they show
# after a "$", one after the other, and what each prints.
#
# In a literal block "$ " begins a command and "> " goes on with it; what follows, up to
# the next command, is its output: line by line, but for lines of "...", which stand for
# any lines, and "..." at the end of a line for the rest of it. A command that is shown
# without output must succeed. A line ".. test: COMMAND" is for this test alone: the
# command must succeed.
# shellcheck shell=bash
. "$(dirname "$0")/common.sh"

here=$(cd "$(dirname "$0")" && pwd)

# ---- what the guest does not have ----

# A disk.
modprobe -q loop
truncate -s 400M image
ln -s "$(losetup -f --show image)" /dev/sdb1
mkdir -p /srv

# mountd's part, and its client's: the kernel's NFS server is the real one.
exportfs()
{
	local dir flags=$((0x2402)) never=2147483647
	read -r dir _ </etc/exports
	modprobe -aq nfsd nfs nfsv4 || return
	mkdir -p /var/lib/nfs/v4recovery
	"$INTEROP" portmapper
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
	echo 10 >/proc/fs/nfsd/nfsv4gracetime
	echo "nfsd 127.0.0.1 $never lo" >/proc/net/rpc/auth.unix.ip/channel
	echo "lo $dir $never $flags 65534 65534 0" >/proc/net/rpc/nfsd.export/channel
	printf 'lo 1 \\x00000000 %s %s\n' $never "$dir" >/proc/net/rpc/nfsd.fh/channel
	echo "tcp 2049" >/proc/fs/nfsd/portlist
	echo 4 >/proc/fs/nfsd/threads
	echo Y >/proc/fs/nfsd/v4_end_grace 2>/dev/null || :
}

unexport()
{
	local t c p
	t=$(($(date +%s) + 1))
	echo 0 >/proc/fs/nfsd/threads
	for c in nfsd.fh nfsd.export auth.unix.ip; do
		echo $t >/proc/net/rpc/$c/flush
	done
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/exe")" != "$INTEROP" ] || kill "${p#/proc/}"
	done
}

mount()
{
	case "$*" in
	"-t nfs "*) command mount -i -t nfs4 127.0.0.1:/ "$4" \
		-o vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1 ;;
	*) command mount "$@" ;;
	esac
}

# ---- what migrating.rst begins with, and what its table says ----

old_home()
(
	set -e
	blkdiscard /dev/sdb1
	truncate -s 100M "$EXT4/old"
	mkfs.ext4 -q -O quota,project -E quotatype=prjquota -F "$EXT4/old"
	mkdir -p /home
	command mount -o loop "$EXT4/old" /home
	cd /home
	mkdir -p alice teams/alpha
	echo text >alice/file
	ln alice/file alice/second
	ln -s file alice/link
	chown -h 1000:1001 alice alice/file alice/link
	truncate -s 1M alice/sparse
	echo x >>alice/sparse
	touch -d '2001-02-03 04:05:06.789012345' alice/sparse
	setfattr -n user.note -v text alice/file
	setfacl -m u:1001:r alice/file
	setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= alice/second
	chattr -p 100 teams/alpha
	chattr +P teams/alpha
	echo 1 >teams/alpha/f
	echo log >alice/log
	chattr +a alice/log
	chattr +i alice/sparse
	chattr +d teams teams/alpha
)

forget_home()
{
	cd / && umount /home && rm "$EXT4/old"
}

inventory() # DIRECTORY
{
	(cd "$1" && find . ! -name lost+found \( -type d -printf '%p %m %U %G %T@\n' -o \
		-printf '%p %y %m %U %G %s %T@ %n %l\n' \) | sort
	 find . ! -name lost+found ! -type l | sort | xargs getfattr -d -m - --absolute-names
	 find . ! -name lost+found ! -type l | sort | xargs getfacl -np)
}

copied_home()
{
	# what is kept, and flags are not
	diff <(inventory /home) <(inventory /mnt/new) &&
		[ "$(stat -c %h /mnt/new/alice/second)" = 2 ] &&
		[ "$(stat -c %b /mnt/new/alice/sparse)" -le 16 ] &&
		[ "$(lnkctl flags -R /mnt/new | cut -d' ' -f1 | sort -u)" = - ]
}

# ---- the pages ----

# Is it what the page shows? Both are arrays of lines, from an index on.
matches() # GOT-INDEX WANT-INDEX
{
	local g=$1 w=$2
	while [ "$w" -lt ${#want[@]} ]; do
		if [ "${want[$w]}" = ... ]; then
			for ((; g <= ${#got[@]}; g++)); do
				matches "$g" $((w + 1)) && return 0
			done
			return 1
		fi
		[ "$g" -lt ${#got[@]} ] || return 1
		if [[ ${want[$w]} == *... ]]; then
			[[ ${got[$g]} == "${want[$w]%...}"* ]] || return 1
		elif [ "${got[$g]}" != "${want[$w]}" ]; then
			return 1
		fi
		g=$((g + 1))
		w=$((w + 1))
	done
	[ "$g" = ${#got[@]} ]
}

command=
want=()
shown=yes
run_command()
{
	local status=0 good=0
	if [ -z "$command" ]; then
		want=()
		return
	fi
	# here, so that cd and variables have their effect
	eval "$command" >"$tap_tmp/out" 2>&1 || status=$?
	: >"$tap_tmp/err"
	if [ -z "$shown" ] || [ ${#want[@]} = 0 ]; then
		[ $status = 0 ] || good=1
	fi
	if [ -n "$shown" ]; then
		mapfile -t got <"$tap_tmp/out"
		matches 0 0 || good=1
	fi
	[ $good = 0 ] || printf '%s\n' "exit status $status; expected:" "${want[@]}" >"$tap_tmp/err"
	tap $good "$section: ${command%%$'\n'*}"
	command=
	want=()
}

page() # FILE
{
	local line text block='' last=''
	section=
	while IFS= read -r line <&9; do
		case $line in
		"    "*)
			text=${line#    }
			if [ -z "$block" ]; then
				:
			elif [[ $text == '$ '* ]]; then
				run_command
				command=${text#'$ '}
				shown=yes
			elif [[ $text == '> '* ]] && [ ${#want[@]} = 0 ]; then
				command+=$'\n'${text#'> '}
			else
				want+=("$text")
			fi
			continue ;;
		"")
			[ -z "$command" ] || [ ${#want[@]} = 0 ] || want+=("")
			continue ;;
		esac
		# the block is over: blank lines at its end were none of the output
		while [ ${#want[@]} -gt 0 ] && [ -z "${want[-1]}" ]; do
			unset 'want[-1]'
		done
		run_command
		block=
		case $line in
		'.. test: '*)
			command=${line#.. test: }
			shown=
			run_command ;;
		*' '*===|*' '*---) ;; # a table
		===*|---*) section=$last ;;
		*::) block=yes ;;
		esac
		last=$line
	done 9<"$1"
	run_command
}

for p in quick-start.rst:12 recipes.rst:100 migrating.rst:15; do
	before=$tap_cases
	page "$here/${p%:*}"
	ok "${p%:*} has commands" [ $((tap_cases - before)) -gt "${p#*:}" ]
done

cd "$DIR" || exit 1
ok "all is unmounted" sh -c '! grep -E " /(srv|srv/links|home|mnt/nfs|mnt/new)" /proc/mounts'
ok "the volume is sound" fsck.lnkfs -n -f image
losetup -d "$(readlink /dev/sdb1)"
rm -f image /dev/sdb1
finish
