#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl on lnkfs, and on ext4 beside it. What does not need lnkfs is in
# tests/unit/test_lnkctl.py.
. "$(dirname "$0")/common.sh"

# The size of blocks makes no difference here.
[ "$BS" = 4096 ] || finish

types=(file dir link dangling fifo socket block char)

# One object of each type in the working directory.
make_types()
{
	echo text >file
	mkdir dir
	echo inside >dir/f
	ln -s file link
	ln -s nowhere dangling
	mkfifo fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")' 2>/dev/null ||
		perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1)'
	mknod block b 7 77
	mknod char c 1 3
	chmod 644 file fifo socket block char
}

# What stat(1) says of files themselves, in one line.
st() # FORMAT FILE...
{
	local format=$1
	shift
	stat -c "$format" "$@" | paste -sd' '
}

# The flags of objects themselves, in one line.
flags_of() # FILE...
{
	lnkctl flags -dh "$@" | cut -d' ' -f1 | paste -sd' '
}

# shellcheck disable=SC2154 # tap_* are common.sh's
# The command fails for each of the names with "Operation not permitted".
refuses() # DESCRIPTION COMMAND NAME...
{
	local count=$(($# - 2)) refused
	tap_run bash -c "$2" bash "${@:3}"
	refused=$(grep -c "Operation not permitted" "$tap_tmp/err")
	[ "$tap_status" != 0 ] && [ "$refused" = $count ]
	tap $? "$1"
}

json() # FILE MEMBER: one member of lnkctl stat --json, on a line of its own
{
	lnkctl stat -h --json "$1" | sed -n "s/^ *\"$2\": \(.*[^,]\),*$/\1/p"
}

mkdir types && cd types || exit 1
make_types

# ---- chmod ----

ok "chmod -h 0510 of every type" lnkctl chmod -h 0510 "${types[@]}"
is "510 510 510 510 510 510 510 510" "stat(1) says so" st %a "${types[@]}"
is "$(printf '%s: 0510 -> 2751\n' "${types[@]}")" "symbolic" \
	lnkctl chmod -hv u+rwx,g=rx,g+s,o+x "${types[@]}"
is "2751 2751 2751 2751 2751 2751 2751 2751" "done" st %a "${types[@]}"
ok "back to 00644" lnkctl chmod -h 00644 "${types[@]}"
is "644 644 644 644 644 644 644 644" "every bit" st %a "${types[@]}"
is 'lrw-r--r--' "ls -l shows the mode of a link" sh -c 'ls -ld link | cut -d" " -f1'
is text "which does not matter to who follows it" as alice cat link
chmod 600 file
ok "without -h the target is meant" lnkctl chmod 640 link
is 640 "the target's" st %a file
is 644 "not the link's" st %a link
fails "No such file or directory" "a dangling link has no target" lnkctl chmod 600 dangling
ok "--reference of a link, with -h" lnkctl chmod -h --reference=link dangling fifo
is 644 "the link's mode" st %a dangling
# only the link's own mode and what lchmod(2) of 7777 may give it
ok "every bit can be set on a link" lnkctl chmod -h 7777 link
is 7777 "and is there" st %a link
ok "and cleared" lnkctl chmod -h 0 link
is 0 "and is gone" st %a link
is text "still followed" cat link
ok "octal 0777 again" lnkctl chmod -h 777 link

# ---- chflags and flags ----

is "- - - - - - - -" "no flags at first" flags_of "${types[@]}"
is "$(printf '%s: - -> hidden,uchg\n' "${types[@]}")" "chflags of every type" \
	lnkctl chflags -hv uchg,hidden "${types[@]}"
u=hidden,uchg
is "$u $u $u $u $u $u $u $u" "flags lists them" flags_of "${types[@]}"
is '"100002"' "so does stat" json fifo flags_octal
is '["hidden", "uchg"]' "by name" json dangling flags
refuses "nothing can be removed" 'rm -rf "$@"' "${types[@]}"
refuses "nor renamed" 'for f; do mv -T "$f" moved; done; false' "${types[@]}"
refuses "nor replaced" 'for f; do ln -s x new; mv -fT new "$f"; done; false' \
	file link dangling fifo socket block char
refuses "mode" 'lnkctl chmod -h 700 "$@"' "${types[@]}"
refuses "owner" 'chown -h 1000 "$@"' "${types[@]}"
refuses "times" 'touch -h "$@"' link dangling
refuses "hard links" 'for f; do ln -P "$f" more; done; false' file link fifo
rm -f new
ok "nouchg" lnkctl chflags -h nouchg "${types[@]}"
is "hidden hidden hidden hidden hidden hidden hidden hidden" "leaves hidden" flags_of "${types[@]}"
ok "a number" lnkctl chflags -h 0200 "${types[@]}"
is "system system system system system system system system" "replaces all" flags_of "${types[@]}"
ok "none" lnkctl chflags -h none "${types[@]}"
is "- - - - - - - -" "no flags again" flags_of "${types[@]}"
is 8 "all are there still" sh -c 'ls | wc -l'

every=arch,hidden,nodump,offline,opaque,rdonly,reparse,sappnd,schg,sparse,sunlnk,system,uappnd,uarch,uchg,uunlnk
ok "every flag at once on a link" lnkctl chflags -h $every link
is $every "they are there" sh -c \
	"lnkctl flags -dh link | cut -d' ' -f1 | tr , '\n' | sort | paste -sd,"
ok "and gone" lnkctl chflags -h none link
fails "Operation not permitted" "snapshot is nobody's to set" lnkctl chflags -h snapshot link
fails "not supported" "an unknown bit" lnkctl chflags -h 0x40000000 link
ok "without -h the target's flags" lnkctl chflags uappnd link
is uappnd "the target has it" flags_of file
is - "the link has not" flags_of link
fails "Operation not permitted" "no writing from the start" sh -c 'echo new >link'
ok "appending" sh -c 'echo more >>link'
is "-----a--------" "lsattr sees it" sh -c 'lsattr file | cut -c1-14'
is '["append"]' "statx as well" json file attributes
ok "cleared" lnkctl chflags nouappnd file
before=$(st %Z link)
sleep 1.1
is "" "what is there already is not touched" lnkctl chflags -hv nouchg,nohidden link
is "$before" "nor is ctime" st %Z link
ok "a change sets ctime" lnkctl chflags -h hidden link
ok "it is later" test "$(st %Z link)" -gt "$before"
ok "hidden off" lnkctl chflags -h 0 link
cd .. || exit 1

# ---- users ----

mkdir home && chown alice:alice home && cd home || exit 1
as alice sh -c 'echo a >f; ln -s f l; mkdir d; ln f hard'
ln -s f rootlink
ok "the owner: chmod of a link" as alice lnkctl chmod -h 500 l
ok "and flags" as alice lnkctl chflags -h uchg,uunlnk l
fails "Operation not permitted" "which resists its owner" as alice rm -f l
fails "Operation not permitted" "another user may not clear them" as bob lnkctl chflags -h 0 l
is uchg,uunlnk "but see them" as bob sh -c "lnkctl flags -dh l | cut -d' ' -f1"
ok "the owner may clear them" as alice lnkctl chflags -h 0 l
fails "Operation not permitted" "another's link: mode" as alice lnkctl chmod -h 500 rootlink
fails "Operation not permitted" "another's link: flags" as alice lnkctl chflags -h uchg rootlink
fails "Operation not permitted" "the owner: no system flags" as alice lnkctl chflags -h schg l
is - "none was set" flags_of l
ok "root sets one" lnkctl chflags -h sunlnk l
fails "Operation not permitted" "then the owner changes no flag" as alice lnkctl chflags -h sunlnk,hidden l
ok "mode still" as alice lnkctl chmod -h 555 l
ok "root clears it" lnkctl chflags -h 0 l
mkdir closed && ln -s x closed/l && mkfifo closed/p && chown -h alice closed/l closed/p &&
	chmod 711 closed
ok "a link in a directory that may only be searched" as alice lnkctl chflags -h hidden closed/l
is hidden "it was done" flags_of closed/l
ok "its mode too" as alice lnkctl chmod -h 111 closed/l
is 111 "it was done" st %a closed/l
chmod 700 closed
fails "Permission denied" "in one that may not" as alice lnkctl chflags -h 0 closed/l
cd .. || exit 1

# ---- trees ----

mkdir -p tree/a/b tree/c outside
echo 1 >tree/f && ln tree/f tree/a/hard && ln -s ../f tree/a/l && ln -s ../../outside tree/c/out
mkfifo tree/a/b/p && echo o >outside/secret && ln -s nowhere tree/c/dangling
chmod -R u=rwX,go=rX tree outside
modes() { (cd tree && find . -printf '%m %y %P\n' | sort -k3); }
before=$(modes)
ok "chmod -R passes over links" lnkctl chmod -R go= tree
is 600 "a file" st %a tree/f
is 600 "a FIFO" st %a tree/a/b/p
is 777 "a link" st %a tree/c/out
is 644 "what a link refers to" st %a outside/secret
ok "chmod -R and back" lnkctl chmod -R go=rX tree
is "$before" "all as before" modes
ok "chmod -R -h changes them" lnkctl chmod -Rh u=rx,go= tree
is 500 "a link" st %a tree/c/out
is 500 "a dangling one" st %a tree/c/dangling
is 644 "not what it refers to" st %a outside/secret
ok "chmod -R -L follows them" lnkctl chmod -R -L u+w,o=x tree/a
is 701 "that of a link's target" st %a tree/f
is 500 "not of the link" st %a tree/a/l
ok "chmod again" lnkctl chmod -Rh u=rwX,go=rX tree
ok "chflags -R" lnkctl chflags -R uchg tree
is uchg "the middle of the tree" flags_of tree/a/b
is 3 "links are passed over" sh -c "lnkctl flags -R tree | grep -c '^-'"
is - "and what they refer to" flags_of outside/secret
fails "Operation not permitted" "rm -r" rm -rf tree
fails "Operation not permitted" "no new entry" touch tree/a/new
ok "chflags -R -h for the links as well" lnkctl chflags -Rh uchg tree
is 0 "all are immutable" sh -c "lnkctl flags -R tree | grep -vc '^uchg ' || true"
fails "Operation not permitted" "chmod -R fails" lnkctl chmod -Rh a+w tree
is 10 "on each object" sh -c 'lnkctl chmod -Rh a+w tree 2>&1 | grep -c "^lnkctl: chmod: tree.*: Oper"'
is 0 "-f says nothing" sh -c 'lnkctl chmod -Rhf a+w tree 2>&1 | wc -l'
ok "chflags -R -h 0" lnkctl chflags -Rh 0 tree
mkdir tree/mnt && mount -t tmpfs none tree/mnt && touch tree/mnt/f
ok "chflags -R -x stays on its mount" lnkctl chflags -Rhx uchg tree
mount --bind outside tree/mnt
ok "on bind mounts too" lnkctl chflags -Rhx uchg,hidden tree
is - "what is mounted there" flags_of outside
umount tree/mnt && umount tree/mnt
ok "and back" lnkctl chflags -R -h 0 tree
ok "so the tree can be removed" rm -r tree

mkdir many && (cd many && seq 1 1000 | xargs touch && seq 1001 2000 | xargs ln -s -t .)
ok "2,000 entries" lnkctl chflags -Rh uunlnk many
is 2001 "all of them" sh -c "lnkctl flags -R many | grep -c '^uunlnk '"
fails "Operation not permitted" "they resist" rm -rf many
ok "but not chmod" lnkctl chmod -Rh a=r,u+w,a+X many
is 1000 "modes of links" sh -c "find many -type l -perm 644 | wc -l"
ok "cleared" lnkctl chflags -Rh nouunlnk many
ok "and removed" rm -r many

# ---- stat ----

ln -s t fast
long=$(printf 'x%.0s' $(seq 1 3000))
ln -s "$long" slow
is '"fast"' "a short target is fast" json fast storage
is '"t"' "and shown" json fast target
is '"slow"' "a long one is slow" json slow storage
is "\"$long\"" "and shown" json slow target
is 3000 "its length" json slow size
ok "lnkctl stat for people" sh -c "lnkctl stat -h slow | grep -qx '        type: symlink, slow'"
touch p && chattr -p 4711 p
is 4711 "project" json p project
is "$(st %i p)" "inode" json p inode
ok "birth time" sh -c "lnkctl stat --json p | grep -q btime"
lnkctl chflags schg,nodump p
is '["immutable", "nodump"]' "attributes" json p attributes
ok "back" lnkctl chflags none p
if command -v python3 >/dev/null; then
	ok "JSON" sh -c 'lnkctl stat --json -Rh . | python3 -m json.tool'
fi

# ---- read-only ----

mnt=${DIR%/*}
lnkctl chmod -h 123 fast && lnkctl chflags -h hidden,sunlnk fast
sync
ok "read-only" mount -o remount,ro "$mnt"
fails "Read-only file system" "chmod" lnkctl chmod -h 777 fast
fails "Read-only file system" "chflags" lnkctl chflags -h 0 fast
is "sunlnk,hidden" "flags can be listed" flags_of fast
ok "read-write" mount -o remount,rw "$mnt"
ok "without the flags" lnkctl chflags -h none fast

# ---- ext4 ----

cd "$EXT4" || exit 1
make_types
ok "ext4: chmod" lnkctl chmod -h 640 file dir fifo block char
is "640 640 640 640 640" "ext4: of what Linux can" st %a file dir fifo block char
fails "Operation not supported" "ext4: not of a link" lnkctl chmod -h 640 link
is 777 "ext4: the link is as it was" st %a link
ok "ext4: chflags" lnkctl chflags -h schg,nodump file dir
is "schg,nodump schg,nodump" "ext4: both have them" flags_of file dir
refuses "ext4: rm" 'rm -rf "$@"' file dir
is "----i-d------- ----i-d-------" "ext4: lsattr" sh -c "lsattr -d file dir | cut -c1-14 | paste -sd' '"
fails "Operation not supported" "ext4: no uchg" lnkctl chflags -h schg,uchg file
ok "ext4: none" lnkctl chflags -h 0 file dir
is "- -" "ext4: they have none" flags_of file dir
fails "Operation not supported" "ext4: no flags of a link" lnkctl chflags -h schg link
ok "ext4: chflags -R" lnkctl chflags -R nodump dir
is nodump "ext4: in the directory" flags_of dir/f
ok "ext4: stat" lnkctl stat -Rh .

finish
