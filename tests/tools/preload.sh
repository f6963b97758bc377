#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The preload library under real programs, and a program written for FreeBSD.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# The size of blocks makes no difference here.
[ "$BS" = 4096 ] || finish

bsd() { LD_PRELOAD=$TOOLS/liblnkfs-bsd.so "$@"; }
mode() { stat -c %a "$@"; }
py() # OS.CHMOD-CALL
{
	PYTHONHOME=$TOOLS "$TOOLS/python3" -S -c "import os; $1"
}
nofollow() { py "os.chmod('$1', 0o$2, follow_symlinks=False)"; }

long=$(printf '%02500d' 0)

# Python
echo text >file
ln -s file link
ln -s "$long" slow
fails "NotImplementedError" "Python without the library cannot chmod a link" nofollow link 500
is 777 "...and did not" mode link
ok "Python with it can" bsd nofollow link 500
is 500 "...and did" mode link
ok "...a slow one too" bsd nofollow slow 440
is 440 "...and did" mode slow
is 644 "what the link leads to stays as it was" mode file
ok "Python: files as ever" bsd nofollow file 600
is 600 "...and did" mode file
ok "Python: followed as ever" bsd py "os.chmod('link', 0o640)"
is 640 "...and did" mode file
is 500 "...and not the link" mode link
fails "FileNotFoundError" "Python: a link that is not there" bsd nofollow nix 500
ln -s file "$EXT4/link"
fails "NotImplementedError" "Python: a link on ext4" bsd nofollow "$EXT4/link" 500
mkdir alice && chown 1000:1000 alice
ok "a user makes a link" as alice ln -s elsewhere alice/link
ok "a user changes a link" bsd as alice env "PYTHONHOME=$TOOLS" "$TOOLS/python3" -S -c \
	"import os; os.chmod('alice/link', 0o700, follow_symlinks=False)"
is 700 "...and did" mode alice/link
fails "PermissionError" "a user does not change another's" bsd as alice env "PYTHONHOME=$TOOLS" \
	"$TOOLS/python3" -S -c "import os; os.chmod('link', 0o700, follow_symlinks=False)"
is 500 "...and did not" mode link

# bsdtar
cat >spec <<END
#mtree
t type=dir mode=0755
t/a type=link mode=0500 link=nowhere
t/b type=link mode=0421 link=$long
t/c type=link mode=0777 link=a
END
ok "bsdtar: an archive from a specification" "$TOOLS/bsdtar" -cf spec.tar @spec
mkdir plain preloaded
ok "bsdtar without the library" "$TOOLS/bsdtar" -xpf spec.tar -C plain
is "777 777 777" "...does not give links their modes" echo $(mode plain/t/?)
ok "bsdtar with it" bsd "$TOOLS/bsdtar" -xpf spec.tar -C preloaded
is "500 421 777" "...does" echo $(mode preloaded/t/?)
is "nowhere" "...and their targets" readlink preloaded/t/a
ok "bsdtar: an archive of what is here" "$TOOLS/bsdtar" -cf own.tar -C preloaded t
mkdir again
ok "bsdtar: extracting it" bsd "$TOOLS/bsdtar" -xpf own.tar -C again
is "500 421 777" "...gives the modes back" echo $(mode again/t/?)
mkdir alice/x && chown 1000:1000 alice/x
ok "bsdtar, run by a user" bsd as alice "$TOOLS/bsdtar" -xpf own.tar -C alice/x
is "500 421 777" "...gives the modes back" echo $(mode alice/x/t/?)
ok "bsdtar: to ext4" bsd "$TOOLS/bsdtar" -xpf own.tar -C "$EXT4"
is "777 777 777" "...which has no modes of links" echo $(mode "$EXT4"/t/?)

# rsync
ok "rsync -a" bsd rsync -a again/ rsynced/
is "500 421 777" "...gives links their modes" echo $(mode rsynced/t/?)
is "" "...and finds no difference after" bsd rsync -ain again/ rsynced/
ok "rsync -a to ext4" bsd rsync -a again/ "$EXT4/rsynced/"

# What the library has no business with
ok "cp -a with the library" bsd cp -a again copied
is "777 777 777" "...does what it does without" echo $(mode copied/t/?)
ok "chmod -R with the library" bsd chmod -R u+w copied
fails "No such file" "chmod of what is not there" bsd chmod 600 nix

# A program written for FreeBSD
for type in link slow file dir fifo chr sock; do
	case $type in
	dir) mkdir dir ;;
	fifo) mkfifo fifo ;;
	chr) mknod chr c 240 78 ;;
	sock) py "import _socket as s; s.socket(s.AF_UNIX).bind('sock')" ;;
	esac
	is "0 $type" "flags of a $type: none" "$TOOLS/bsdflags" show $type
	ok "...hidden and archived" "$TOOLS/bsdflags" set 300000 $type
	is "300000 $type" "...seen" "$TOOLS/bsdflags" show $type
	ok "...locked" "$TOOLS/bsdflags" set 400002 $type
	fails "not permitted" "...cannot be removed" rm -rf $type
	ok "...unlocked, changed, locked again" "$TOOLS/bsdflags" keep $type
	is "400002 $type" "...flags are back" "$TOOLS/bsdflags" show $type
	is 400 "...mode is new" mode $type
	ok "...unlocked" "$TOOLS/bsdflags" set 0 $type
done
ln -s x model
ln -s y copy
ok "mode and flags of one link" bsd nofollow model 555
ok "...set" "$TOOLS/bsdflags" set 104001 model
ok "...for another" "$TOOLS/bsdflags" like model copy
is "104001 copy" "...flags" "$TOOLS/bsdflags" show copy
is 555 "...mode" mode copy
fails "not supported" "flags of no meaning" "$TOOLS/bsdflags" set 40 copy
fails "not supported" "flags of more than 32 bits" "$TOOLS/bsdflags" set 40000000001 copy
fails "not permitted" "the flag of snapshots" "$TOOLS/bsdflags" set 10000000 copy
fails "not permitted" "a user sets a system flag" as alice "$TOOLS/bsdflags" set 200000 alice/link
ok "a user sets an own flag" as alice "$TOOLS/bsdflags" set 2 alice/link
is "2 alice/link" "...seen" as alice "$TOOLS/bsdflags" show alice/link
ok "a user clears it" as alice "$TOOLS/bsdflags" set 0 alice/link

# On ext4
is "0 $EXT4/link" "ext4: a link has no flags" "$TOOLS/bsdflags" show "$EXT4/link"
fails "not supported" "ext4: ...and gets none" "$TOOLS/bsdflags" set 1 "$EXT4/link"
echo text >"$EXT4/file"
ok "ext4: a file" "$TOOLS/bsdflags" set 400001 "$EXT4/file"
is "400001 $EXT4/file" "...seen" "$TOOLS/bsdflags" show "$EXT4/file"
is "----i-d" "...by lsattr too" bash -c "lsattr '$EXT4/file' | cut -c 1-7"
ok "ext4: cleared" "$TOOLS/bsdflags" set 0 "$EXT4/file"

finish
