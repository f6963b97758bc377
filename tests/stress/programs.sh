# SPDX-License-Identifier: GPL-2.0
#
# In the guest: fio, dbench and stress-ng on the volume mounted at $mnt. They come
# with tests/stress/programs into the directory $programs.

export LD_LIBRARY_PATH=$programs PATH=$programs:$PATH

# Stressors of the filesystem class that are left out:
#   bind-mount          mounts the root over itself without end; stress-ng itself
#                       runs it only when told to be pathological
#   binderfs, verity    test what neither lnkfs nor the test kernels have
#   eventfd, procfs     have nothing to do with a volume
NG_EXCLUDED=bind-mount,binderfs,eventfd,procfs,verity

# Those that get to every kind of operation in a short time.
NG_FEW="access chattr copy-file dir dirdeep fallocate fiemap file-ioctl filename fpunch
	hdd iomix link rename symlink sync-file utime xattr"

fio_verify() # KIB of each of six files
{
	mkdir $mnt/fio &&
	FIO_DIR=$mnt/fio FIO_SIZE=$1 fio "$here/verify.fio" &&
	rm -r $mnt/fio
}

dbench_load() # CLIENTS SECONDS
{
	mkdir $mnt/dbench &&
	dbench -c "$programs/client.txt" -D $mnt/dbench -t "$2" "$1" >/tmp/dbench || return
	grep -v 'execute\|warmup' /tmp/dbench
	grep -q '^Throughput' /tmp/dbench && ! grep -qi 'fail.*NT_STATUS\|ENOSPC' /tmp/dbench &&
	rm -r $mnt/dbench
}

# stress-ng says 3 when a stressor found nothing to do, or no room to do it.
ng() # ARGUMENT...
{
	local status=0
	mkdir $mnt/ng || return
	stress-ng --temp-path $mnt/ng --verify --timestamp "$@" || status=$?
	rm -rf $mnt/ng
	[ $status = 0 ] || [ $status = 3 ]
}

# One of each, all at once.
ng_few() # SECONDS
{
	local s args=
	for s in $NG_FEW; do
		args="$args --$s 1"
	done
	# shellcheck disable=SC2086
	ng $args -t "$1"
}

# One after the other.
ng_all() # INSTANCES SECONDS
{
	ng --sequential "$1" --class filesystem -x $NG_EXCLUDED -t "$2"
}
