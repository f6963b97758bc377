#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl ln, map, links: links that follow their target, links of other systems, and
# audits, on lnkfs and on ext4 beside it. What does not need lnkfs is in
# tests/unit/test_lnkctl.py.
. "$(dirname "$0")/common.sh"

json() # FILE MEMBER: one member of lnkctl stat --json, on a line of its own
{
	lnkctl stat -h --json "$1" | sed -n "s/^ *\"$2\": \(.*[^,]\),*$/\1/p"
}

kind() # FILE: kind, and whether it is tracked
{
	local tracked
	tracked=$(json "$1" tracked)
	echo "$(json "$1" kind)${tracked:+ tracked}" | tr -d '"'
}

# The classes of links, and what could be done about them.
audit() # ARGUMENT...
{
	lnkctl links "$@" | sed '/^$/,$d'
}

# Nothing with a temporary name is left.
clean() # [DIRECTORY]
{
	[ -z "$(find "${1:-.}" -name '.lnkctl-*')" ]
}

modprobe -q loop
long=$(printf './%.0s' {1..2047})a
fast=1863
[ "$BS" = 1024 ] && fast=871

# ---- every kind ----

mkdir a b b/sub && chmod 755 a b b/sub
echo text >a/f
mkdir a/d
ok "a hard link" lnkctl ln a/f a/hard
is "$(stat -c %i a/f)" "is one more name" stat -c %i a/hard
ok "a symlink" lnkctl ln -s f a/plain
ok "a directory link" lnkctl ln -d d a/dir
ok "a file link" lnkctl ln --kind=file f a/file
ok "a junction" lnkctl ln -j "$DIR/a/d" a/junction
ok "a remote link" lnkctl ln --remote '\\nas\films\2026' a/remote
ok "a tracked link" lnkctl ln -t f a/tracked
ok "path first" lnkctl ln -t=path-first ../a/f b/first
ok "a tracked directory link" lnkctl ln -td ../a/d b/both
is "plain" "plain" kind a/plain
is "directory" "a directory link" kind a/dir
is "file" "a file link" kind a/file
is "junction" "a junction" kind a/junction
is "remote" "a remote link" kind a/remote
is "plain tracked" "a tracked link" kind a/tracked
is "directory tracked" "both" kind b/both
is "text" "file link leads to it" cat a/file
is '\\nas\films\2026' "the text of a remote link is kept" readlink a/remote
ok "no temporary names" clean
ok "mklink's letters" sh -c "lnkctl ln /D d a/D && lnkctl ln /H a/f a/H && lnkctl ln /J $DIR/a/d a/J"
is "directory junction 3" "are kinds" sh -c \
	"echo \$(lnkctl stat -h a/D a/J | sed -n 's/.* kind: //p') \$(stat -c %h a/H)"
is "'a/v' -> 'f'" "-v" lnkctl ln -tv f a/v

number=$(stat -c %i a/f)
generation=$(lsattr -v a/f | awk '{ print $1 }')
is "{\"inode\": $number, \"lost\": false, \"generation\": $generation, \"path_first\": false}" \
	"stat says what is tracked" json a/tracked tracked
is "     tracked: inode $number, generation $generation, path first
        text: ../a/f" "for people, too" sh -c "lnkctl stat -h b/first | grep -A1 tracked"
is "an inode, identity first" "what is tracked is not for everybody" \
	as alice sh -c "lnkctl stat -h a/tracked | sed -n 's/ *tracked: //p'"
ok "move it" mv a/f b/sub/g
is "../b/sub/g" "the link follows" readlink a/tracked
is "text" "and leads there" cat a/tracked
is "sub/g" "path first follows, too" readlink b/first
echo other >a/f
is "../a/f" "but not when something has the name" readlink b/first
is "text" "the other one stays with the file" cat a/tracked
is "f" "its text has not changed" sh -c "lnkctl stat -h a/tracked | sed -n 's/ *text: //p'"
rm a/f

# ---- what cannot be ----

fails "a junction needs an absolute target" "a relative junction" lnkctl ln -j d a/x
fails "as a junction needs it" "a junction to nothing" lnkctl ln -j "$DIR/a/none" a/x
fails "as a junction needs it" "a junction to a file" lnkctl ln -j "$DIR/b/sub/g" a/x
fails "another computer" "a junction to another computer" lnkctl ln -j '\\s\h' a/x
fails "another computer" "and with slashes" lnkctl ln -j //s/h a/x
fails "Windows could not follow" "a file link to a directory" lnkctl ln --kind=file d a/x
fails "Windows could not follow" "a directory link to a file" lnkctl ln -d ../b/sub/g a/x
ok "one that dangles can be either" lnkctl ln -d none a/x
fails "File exists" "what is there stays" lnkctl ln -t d a/x
is "directory" "as it is" kind a/x
ok "-f replaces it" lnkctl ln -tf d a/x
is "plain tracked" "at once" kind a/x
fails "not of the form" "no share" lnkctl ln --remote '\\nas' a/y
fails "No such file" "nothing to track" lnkctl ln -t none a/y
fails "path-first needs a relative" "an absolute path first" lnkctl ln -t=path-first "$DIR/a/d" a/y
fails "on the volume of its target" "a target elsewhere" lnkctl ln -t "$EXT4" a/y
fails "Is a directory" "-f replaces no directory" lnkctl ln -tfT ../a/d b/sub
fails "only lnkfs" "ext4 has no kinds" lnkctl ln -d "$DIR/a" "$EXT4/x"
fails "only lnkfs" "and follows nothing" lnkctl ln -t "$DIR/a" "$EXT4/x"
fails "hard links stay on one" "hard links stay on a volume" lnkctl ln b/sub/g "$EXT4/x"
ok "nothing is left of these" sh -c "[ ! -e a/y ] && [ ! -L a/y ] && [ ! -e '$EXT4/x' ]"
mkdir other && mount -t tmpfs -o size=1M tmpfs other
ok "a junction to another local volume" lnkctl ln -j "$DIR/other" a/tmpfs
umount other
if grep -q 9p /proc/filesystems && mount -t 9p -o trans=virtio none other 2>/dev/null; then
	fails "not on a local volume" "a junction to a network filesystem" lnkctl ln -j "$DIR/other" a/y
	umount other
fi

# ---- kinds of links that are there ----

ln -s d a/s
ok "--set" lnkctl ln --set -t -d a/s
is "directory tracked" "makes it so" kind a/s
ok "--set -s" lnkctl ln --set -s a/s a/x
is "plain" "makes it plain" kind a/s
fails "is no symlink" "not a file" lnkctl ln --set -d b/sub/g
fails "needs an absolute" "a relative text is no junction" lnkctl ln --set -j a/s
fails "File name too long" "a name that is too long" lnkctl ln --set -d "$(printf %0300d 0)"
chown -h 1000:1000 a/s
fails "Operation not permitted" "not bob's" as bob lnkctl ln --set -d a/s
ok "alice's" as alice lnkctl ln --set -d a/s
lnkctl chflags -h uchg a/s
fails "Operation not permitted" "an immutable link" lnkctl ln --set -s a/s
fails "Operation not permitted" "is not replaced" lnkctl ln -sfT none a/s
fails "Operation not permitted" "by any kind" lnkctl ln -tfT d a/s
ok "no temporary names" clean
lnkctl chflags -h nouchg a/s

# ---- beside ln(1) ----

# shellcheck disable=SC2154 # tap_* are common.sh's
# The same commands, by both, on this volume and on ext4.
both() # OPTION... NAME...
{
	local d p out
	for d in "$DIR" "$EXT4"; do
		for p in "lnkctl ln" ln; do
			rm -rf "$d/cmp"
			mkdir -p "$d/cmp/x/y"
			(cd "$d/cmp" && echo 1 >f && ln -s x l && ln -s f lf && $p "$@" >/dev/null 2>&1
			 out=$?
			 find . -printf '%p %y %l %n\n' | sort
			 echo "$((out != 0))") >"$tap_tmp/$(basename "$d")-${p%% *}"
		done
		cmp "$tap_tmp/$(basename "$d")-lnkctl" "$tap_tmp/$(basename "$d")-ln" || return 1
	done
}

if [ "$BS" = 4096 ]; then
	for words in "-s f n" "f n" "-s f x" "-f f lf" "-sfn f l" "-sr f x/y/n" "none n" "x n" \
		"-f f f" "-L lf n" "lf n" "f lf x" "-sfT f x"; do
		# shellcheck disable=SC2086
		ok "ln $words" both $words
	done
	rm -rf cmp "$EXT4/cmp"
fi

# ---- awkward names ----

ok "a newline" lnkctl ln -t d $'a/new\nline'
is "../a/d" "leads there" sh -c "mv a/new* b/ && readlink b/new*"
ok "no UTF-8" lnkctl ln -d d $'a/\xff\xfe'
ok "255 bytes" lnkctl ln -t d "a/$(printf '%0255d' 0)"
fails "File name too long" "256 bytes" lnkctl ln -t d "a/$(printf '%0256d' 0)"
touch a/a
ok "4,095 bytes of text" lnkctl ln -t "$long" a/long
is "a" "followed by the shortest way" readlink a/long
is "$long" "and kept" sh -c "lnkctl stat -h a/long | sed -n 's/ *text: //p'"
fails "File name too long" "4,096 bytes" lnkctl ln -t "./$long" a/long2
ok "no temporary names" clean

# ---- other computers ----

truncate -s 64M image
mkdir mnt share share/2026
ok "a volume of its own" mkfs.lnkfs -q -b "$BS" image
ok "mounted" mount -t lnkfs -o loop image mnt
ok "a remote link" lnkctl ln --remote '\\NAS\films\2026' mnt/unc
ok "a URL" lnkctl ln --remote 'smb://me@nas/Films/20%326' mnt/url
is "" "no map" lnkctl map mnt
is "unmapped,remote  mnt/unc -> \\\\\\\\NAS\\\\films\\\\2026
    no entry of the volume's map is for it (lnkctl map)" "a link that is not mapped" audit mnt/unc
ok "set it" lnkctl map mnt '\\nas\films' "$DIR/share"
ok "another one" lnkctl map mnt smb://nas/Music/ /none
is "\\\\nas\\films -> $DIR/share
\\\\nas\\Music -> /none" "the map" lnkctl map mnt
is "$(stat -c %i share/2026)" "it is followed" stat -Lc %i mnt/unc
is "$(stat -c %i share/2026)" "by any spelling" stat -Lc %i mnt/url
is "cross-volume,remote  mnt/url -> smb://me@nas/Films/20%326
    leads to $DIR/share/2026" "and found" audit mnt/url
ok "change it" lnkctl map mnt '//NAS/FILMS' /none
is "\\\\nas\\Music -> /none
\\\\NAS\\FILMS -> /none" "no entry twice" lnkctl map mnt
is "dangling,remote  mnt/unc -> \\\\\\\\NAS\\\\films\\\\2026
    /none/2026: No such file or directory" "mapped to nothing" audit mnt/unc
is '[
  {"share": "\\\\nas\\Music", "directory": "/none"},
  {"share": "\\\\NAS\\FILMS", "directory": "/none"}
]' "as JSON" lnkctl map --json mnt
ok "remove one" lnkctl map -d mnt '\\nas\films'
fails "there is no entry" "it is gone" lnkctl map -d mnt '\\nas\films'
ok "and the other" lnkctl map -d mnt '\\nas\music'
fails "No such attribute" "then there is no map" getfattr -n trusted.lnkfs.map --only-values mnt
mkdir mnt/sub
fails "not the root directory" "a directory" lnkctl map mnt/sub
mount --bind mnt/sub other
fails "not the root directory" "a mount of a part" lnkctl map other
umount other
fails "is not on lnkfs" "ext4" lnkctl map "$EXT4"
fails "Operation not permitted" "the superuser only" as alice lnkctl map mnt '\\s\h' /x

# ---- full, read-only ----

echo text >mnt/f
ln -s "$PWD/mnt/f" mnt/abs
touch mnt/g
ok "a tracked link" lnkctl ln -t g mnt/tracked
mv mnt/g mnt/h
text=$(printf './%.0s' {1..2000})
text=${text:0:$((fast - 2))}/f
dd if=/dev/zero of=mnt/fill bs=64k 2>/dev/null
# shellcheck disable=SC2154 # common.sh's
until_full() # COMMAND...: with one more name each time
{
	for ((i = 0; i < 200; i++)); do
		tap_run "$@" "mnt/x$i"
		[ "$tap_status" = 0 ] || break
	done
}
until_full lnkctl ln -s "$long"
fails "No space left" "no room for the text" lnkctl ln -d "$long" mnt/x
# each takes a record, and a block for the attribute
until_full lnkctl ln -t "$text"
fails "No space left" "no room for the attribute" lnkctl ln -t "$text" mnt/x
ok "nothing is there" test ! -L mnt/x
ok "and no temporary name" clean mnt
rm mnt/fill mnt/x*
ok "with room" lnkctl ln -t "$text" mnt/x
is "f" "it follows" readlink mnt/x
mount -o remount,ro mnt
fails "Read-only file system" "read-only: no link" lnkctl ln -s f mnt/y
fails "Read-only file system" "no kind" lnkctl ln --set --kind=file mnt/x
fails "Read-only file system" "no map" lnkctl map mnt '\\s\h' /x
fails "mnt/abs: Read-only file system" "no repair" lnkctl links --fix=absolute,stale mnt
is "$PWD/mnt/f" "the link is as it was" readlink mnt/abs
ok "unmount" umount mnt
ok "fsck finds nothing" fsck.lnkfs -n -f image
ok "a volume without back references" mkfs.lnkfs -qf -b "$BS" -O ^backref image
ok "mounted" mount -t lnkfs -o loop image mnt
echo >mnt/f
fails "no back references" "it tracks nothing" lnkctl ln -t f mnt/x
ok "but has kinds" lnkctl ln --kind=file f mnt/x
ok "and no temporary names" clean mnt
umount mnt
rm image

# ---- audits ----

tree() # DIRECTORY: links of each class that any filesystem has
{
	mkdir -p "$1/a" "$1/b"
	echo 1 >"$1/a/f"
	echo 2 >"$1/b/moved"
	ln -s "$1/a/f" "$1/b/abs"
	ln -s moved "$1/a/gone"
	ln -s absent "$1/a/none\\"
	ln -s y "$1/x"
	ln -s x "$1/y"
	ln -s "$3" "$1/out"
	ln -s "$2" "$1/slow"
	ln -s a/f "$1/fine"
	ln -s $'new\nline' "$1/a/"$'\xff'
}

expected()
{
	cat <<-END
		- t/fine -> a/f
		absolute t/b/abs -> $1/a/f
		absolute,cross-volume t/out -> $2
		could be ../a/f (--fix=absolute)
		could be ../b/moved (--fix=dangling)
		dangling t/a/\\377 -> new\\nline
		dangling t/a/gone -> moved
		dangling t/a/none\\\\ -> absent
		leads to $2
		loop t/x -> y
		loop t/y -> x
		slow t/slow -> $3
		t/a/absent: No such file or directory
		t/a/moved: No such file or directory
		t/a/new\\nline: No such file or directory
		t/x -> t/y -> t/x
		t/y -> t/x -> t/y
	END
}

sorted()
{
	audit "$@" | sed 's/^ *//;s/  / /' | LC_ALL=C sort
}

# A text that is slow on this volume, and one that is on ext4.
slow=$(printf './%.0s' {1..1000})a
for d in "$DIR" "$EXT4"; do
	[ "$d $BS" = "$EXT4 1024" ] && continue
	fs=ext4
	[ "$d" = "$DIR" ] && fs=lnkfs
	out=/tmp
	cd "$d" || exit 1
	tree "$d/t" "$slow" "$out"
	is "$(expected "$d/t" "$out" "$slow" | LC_ALL=C sort)" "$fs: what there is" sorted -Ra t
	lnkctl links -R --json t >"$tap_tmp/json"
	ok "$fs: JSON keeps awkward names" grep -q '"name": "t/a/\\udcff"' "$tap_tmp/json"
	is "9 links
       3 dangling, 1 could be repaired
       2 loop
       2 absolute, 1 could be repaired
       1 cross-volume
       1 slow" "$fs: counted" lnkctl links -sR t
	touch -hd 2001-02-03 t/b/abs
	chown -h 1000:1001 t/b/abs
	ok "$fs: repair" lnkctl links -R --fix=absolute,dangling t
	is "../a/f ../b/moved $out " "$fs: done" find t/b/abs t/a/gone t/out -printf "%l "
	is "1000 1001 981158400" "$fs: of the same owner and time" env TZ=UTC stat -c '%u %g %Y' t/b/abs
	is "9 links
       2 dangling
       2 loop
       1 absolute
       1 cross-volume
       1 slow" "$fs: what is left" lnkctl links -sR t
	ok "$fs: a hard link" lnkctl links --fix=hard t/fine
	is "$(stat -c %i t/a/f)" "$fs: is one" stat -c %i t/fine
	ok "$fs: no temporary names" clean t
	chmod 755 t t/a t/b
	ln -s "$d/t/a/f" t/a/abs
	fails "Permission denied" "$fs: not by everybody" as alice lnkctl links -R --fix=absolute t
	is "$d/t/a/f" "$fs: it is as it was" readlink t/a/abs
	rm -rf t
done
cd "$DIR" || exit 1

mkdir t t/a t/b
touch t/a/f t/a/g t/a/h t/a/i
mkdir t/d
lnkctl ln -t ../a/f t/b/stale
lnkctl ln -td ../d t/b/fresh
lnkctl ln -t ../a/g t/b/lost
lnkctl ln -t ../a/h t/b/replaced
lnkctl ln -t=path-first ../a/i t/b/first
lnkctl ln -d "$DIR/t/d" t/b/abs
lnkctl ln -j "$DIR/t/d" t/b/junction
lnkctl ln --kind=file ../e t/b/mismatch
lnkctl chmod -h 0700 t/b/stale
lnkctl chflags -h hidden t/b/stale
touch -hd 2001-02-03 t/b/stale
mv t/a/f t/moved
mv t/a/i t/moved2
mkdir t/e
rm t/a/g t/a/h
touch t/a/h
number=$(stat -c %i t/moved)
generation=$(lsattr -v t/moved | awk '{ print $1 }')
is "absolute
dangling,lost,tracked
junction
lost,tracked
mismatch
stale,tracked
stale,tracked
tracked" "classes of lnkfs" sh -c "lnkctl links -R t | sed -n 's/^\([a-z,-]*\)  t.*/\1/p' | sort"
is "stale,tracked  t/b/stale -> ../moved
    tracks inode $number, generation $generation, identity first
    its text: ../a/f
    could be ../moved (--fix=stale)" "one that has been moved" audit t/b/stale
ok "repair them" lnkctl links -R --fix=stale,lost,mismatch,absolute t
is "lost 1
stale 0
mismatch 0
absolute 0" "all but the one that has no target" sh -c "lnkctl links -R --json t |
	sed -n 's/^    \"\\(stale\\|lost\\|mismatch\\|absolute\\)\": {\"count\": \\([0-9]*\\).*/\\1 \\2/p'"
is "../moved" "the text is the path" sh -c "lnkctl stat -h t/b/stale | sed -n 's/ *text: //p'"
is "inode $number, generation $generation, identity first" "and tracks the same" \
	sh -c "lnkctl stat -h t/b/stale | sed -n 's/ *tracked: //p'"
is "700 981158400 hidden" "mode, time and flags are the same" sh -c \
	"echo \$(TZ=UTC stat -c '%a %Y' t/b/stale) \$(lnkctl flags -dh t/b/stale | cut -d' ' -f1)"
is "inode $(stat -c %i t/moved2)" "path first as well" \
	sh -c "lnkctl stat -h t/b/first | sed -n 's/ *tracked: \(.*\), gen.*path first/\1/p'"
is "$(stat -c %i t/a/h)" "what has the name is tracked now" sh -c "mv t/a/h t/k; stat -Lc %i t/b/replaced"
is "directory" "the right kind" kind t/b/mismatch
is "directory" "kept" kind t/b/abs
is "../d" "relative" readlink t/b/abs
lnkctl ln -s "$DIR/t/d" t/b/abs2
for flag in uchg uappnd uunlnk; do
	lnkctl chflags -h $flag t/b/abs2
	fails "t/b/abs2: Operation not permitted" "a link with $flag" lnkctl links -R --fix=absolute t
	lnkctl chflags -h none t/b/abs2
done
lnkctl chflags uchg t/b
fails "t/b/abs2: Operation not permitted" "in a directory with uchg" lnkctl links -R --fix=absolute t
lnkctl chflags none t/b
ok "no temporary names" clean t
ok "without flags" lnkctl links -R --fix=absolute t
is "../d" "repaired" readlink t/b/abs2

# what cp, tar and rsync carry is the path
cp -a t/b copy
is "plain" "a copy is plain" kind copy/replaced
is "../k" "with the path of that time" readlink copy/replaced

finish
