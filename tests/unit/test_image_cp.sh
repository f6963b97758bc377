#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lnkctl cp, out of volumes that are not mounted: what tests/tools/image.sh does not
# need a kernel for. TAP on standard output; $TOOLS is where the tools are.
set -u

. "$(dirname "$0")/result.sh"
PATH=$TOOLS:$PATH:/usr/sbin:/sbin
PYTHONPATH=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH ASAN_OPTIONS=detect_leaks=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

volume() # FILE: of the directory src
{
	mkfs.lnkfs -q -b 1024 -d src "$1" 20M || exit 1
}

make_src() # TEXT
{
	rm -rf src
	mkdir src
	echo "$1" >src/one
	ln src/one src/two
	echo "other $1" >src/red
	ln src/red src/green
}

make_src first
volume a.img
make_src second
volume b.img

# Two volumes, the same numbers.
mkdir out
lnkctl cp -p a.img:one b.img:two out >out.txt 2>err
[ $? = 0 ] && [ "$(cat out/one)" = first ] && [ "$(cat out/two)" = second ]
result $? "hard links do not go from one volume to another"
rm -rf out
mkdir out
lnkctl cp -p a.img:one a.img:two b.img:red b.img:green out >out.txt 2>err
[ $? = 0 ] && [ out/one -ef out/two ] && [ out/red -ef out/green ] && [ ! out/one -ef out/red ] &&
	[ "$(cat out/two)" = first ] && [ "$(cat out/green)" = "other second" ]
result $? "within each they are kept"

# What stands in the way of the first name is not what the second one gets.
rm -rf out
mkdir -p out/one
lnkctl cp -p a.img:one a.img:two a.img:red out >out.txt 2>err
[ $? = 1 ] && [ "$(cat out/two)" = first ] && [ "$(wc -l <err)" = 1 ]
result $? "a directory in the way"
rm -rf out
mkdir out
ln -s /etc/hostname out/one
lnkctl cp -p a.img:one a.img:two out >out.txt 2>err
[ $? = 1 ] && [ ! -L out/two ] && [ "$(cat out/two)" = first ]
result $? "a symlink in the way"

# A directory that has two names for itself: no end, were it not seen.
rm -rf src out
mkdir -p src/a/b src/a/c
echo deep >src/a/file
touch src/a/with-a-long-name-{1..20}
volume loop.img
number() # IMAGE PATH
{
	dump.lnkfs -j "$1" inode "$2" | python3 -c 'import json, sys
print(json.load(sys.stdin)["inode"]["number"])'
}
cat >change.py <<'END'
# in blocks of directories: IMAGE NAME TEXT (OLD NEW)..., what has NAME and TEXT in it
import struct
import sys
from superblock import crc32c

image, *texts = sys.argv[1:]
texts = [struct.pack("<Q", int(t)) if t.isdigit() else t.encode() for t in texts]
name, pairs = texts[0], texts[1:]


with open(image, "r+b") as f:
    data = f.read()
    seed = crc32c(0xffffffff, data[1024 + 0x30:1024 + 0x40])
    for at in range(0, len(data), 1024):
        block = bytearray(data[at:at + 1024])
        if block[:4] != b"LKDB" or name not in block:
            continue
        for old, new in zip(pairs[::2], pairs[1::2]):
            block = block.replace(old, new)
        block[4:8] = bytes(4)
        struct.pack_into("<I", block, 4, crc32c(seed, block))
        f.seek(at)
        f.write(block)
END
python3 change.py loop.img file "$(number loop.img /a/b)" "$(number loop.img /a)" \
	"$(number loop.img /a/c)" "$(number loop.img /a)"
mkdir out
timeout 20 lnkctl cp -a loop.img:a out >out.txt 2>err
[ $? = 1 ] && [ "$(cat out/a/file)" = deep ] && [ "$(grep -c 'Too many levels' err)" = 2 ] &&
	[ "$(wc -l <err)" = 2 ]
result $? "a directory in itself"
timeout 20 lnkctl ls -R loop.img:/ >out.txt 2>err
[ $? = 1 ] && [ "$(grep -c 'Too many levels' err)" = 2 ] && [ "$(grep -cx file out.txt)" = 1 ]
result $? "it is listed once"

# Directories that have two names each: a million ways to the last one.
rm -rf src out
mkdir src
way=src
for n in {1..20}; do
	mkdir -p "$way/b$n" "$way/c$n"
	touch "$way"/with-a-long-name-{1..20}
	way=$way/b$n
done
echo last >"$way/last"
volume ways.img
way=''
for n in {1..20}; do
	python3 change.py ways.img "c$n" "$(number ways.img "$way/c$n")" \
		"$(number ways.img "$way/b$n")"
	way=$way/b$n
done
mkdir out
timeout 20 lnkctl cp -r ways.img:/ out >out.txt 2>err
[ $? = 1 ] && [ "$(cat "out$way/last")" = last ] && [ "$(grep -c 'Too many levels' err)" = 20 ]
result $? "directories that have two names"
timeout 20 lnkctl ls -R ways.img:/ >out.txt 2>err
[ $? = 1 ] && [ "$(grep -cx last out.txt)" = 1 ] && [ "$(grep -c 'Too many levels' err)" = 20 ]
result $? "they are listed once"

# A name that a directory has twice: what was made first is not opened.
rm -rf src out
mkdir -p src/a
touch src/a/with-a-long-name-{1..20}
echo text >src/a/file
kinds='fifo pipe'
mkfifo src/a/fifo src/a/pipe
# before the file, and behind it
if mknod src/a/char c 1 3 2>/dev/null && mknod src/a/null c 1 3; then
	kinds='fifo pipe char null'
fi
volume twice.img
for kind in $kinds; do
	cp twice.img one.img
	python3 change.py one.img with-a-long-name "$kind" same file same
	rm -rf out
	mkdir out
	timeout 20 lnkctl cp -a one.img:a out >out.txt 2>err
	[ $? = 1 ] && [ "$(cat err)" = "lnkctl: cp: a/same: File exists" ]
	result $? "a $kind and a file of one name"
done
rm -rf out
mkdir out
mkfifo out/file
timeout 20 lnkctl cp -p twice.img:a/file out >out.txt 2>err
[ $? = 1 ] && [ -p out/file ] && grep -q 'file: File exists' err
result $? "a FIFO in the way"
rm out/file
echo "something longer" >out/file
lnkctl cp -p twice.img:a/file out >out.txt 2>err
[ $? = 0 ] && [ "$(cat out/file)" = text ]
result $? "a file is written over"

# Exit status 2: nothing was done.
rm -rf out
mkdir out
lnkctl cp a.img:one nonsense out >out.txt 2>err
[ $? = 2 ] && grep -q 'nonsense: not of the form' err && [ -z "$(ls out)" ]
result $? "wrong usage is found before anything is copied"
lnkctl cat a.img:one nonsense >out.txt 2>err
[ $? = 2 ] && [ ! -s out.txt ]
result $? "or shown"

# Nobody is at the other end.
mkfifo pipe
timeout 20 lnkctl ls pipe:/ >out.txt 2>err
[ $? = 1 ] && grep -q 'pipe: Block device required' err
result $? "a FIFO as the image"

# The image is not written over by a file in it.
rm -rf src out
mkdir src out
echo text >src/self.img
volume out/self.img
cp out/self.img before.img
lnkctl cp -a out/self.img:/ out >out.txt 2>err
[ $? = 1 ] && grep -q 'self.img: Device or resource busy' err && cmp out/self.img before.img
result $? "a file that would take the place of the image"
lnkctl cp out/self.img:self.img out/self.img >out.txt 2>err
[ $? = 1 ] && cmp out/self.img before.img
result $? "the image as the destination"

finish
