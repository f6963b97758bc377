/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, in /sys/kernel/tracing/events/lnkfs. They are for people: names
 * and fields may change.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lnkfs

#if !defined(LNKFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LNKFS_TRACE_H

#include <linux/tracepoint.h>

#define show_dev(dev)	MAJOR(dev), MINOR(dev)

/* ---- operations on names; the error is their result ---- */

DECLARE_EVENT_CLASS(lnkfs_name_class,
	TP_PROTO(struct inode *dir, const struct qstr *name, struct inode *inode, int err),
	TP_ARGS(dir, name, inode, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, dir)
		__field(u64, ino)
		__field(umode_t, mode)
		__field(u32, nlink)
		__field(int, err)
		__dynamic_array(char, name, name->len + 1)
	),
	TP_fast_assign(
		__entry->dev = dir->i_sb->s_dev;
		__entry->dir = dir->i_ino;
		__entry->ino = inode ? inode->i_ino : 0;
		__entry->mode = inode ? inode->i_mode : 0;
		__entry->nlink = inode ? inode->i_nlink : 0;
		__entry->err = err;
		memcpy(__get_str(name), name->name, name->len);
		__get_str(name)[name->len] = 0;
	),
	TP_printk("dev %d,%d dir %llu name %s ino %llu mode 0%o nlink %u err %d",
		  show_dev(__entry->dev), __entry->dir, __get_str(name), __entry->ino,
		  __entry->mode, __entry->nlink, __entry->err)
);

#define DEFINE_NAME_EVENT(name)						\
DEFINE_EVENT(lnkfs_name_class, name,					\
	TP_PROTO(struct inode *dir, const struct qstr *name, struct inode *inode, int err), \
	TP_ARGS(dir, name, inode, err))
DEFINE_NAME_EVENT(lnkfs_create);
DEFINE_NAME_EVENT(lnkfs_symlink);
DEFINE_NAME_EVENT(lnkfs_link);
DEFINE_NAME_EVENT(lnkfs_unlink);

TRACE_EVENT(lnkfs_rename,
	TP_PROTO(struct inode *old_dir, const struct qstr *old_name, struct inode *new_dir,
		 const struct qstr *new_name, unsigned int flags, int err),
	TP_ARGS(old_dir, old_name, new_dir, new_name, flags, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, old_dir)
		__field(u64, new_dir)
		__field(unsigned int, flags)
		__field(int, err)
		__dynamic_array(char, old_name, old_name->len + 1)
		__dynamic_array(char, new_name, new_name->len + 1)
	),
	TP_fast_assign(
		__entry->dev = old_dir->i_sb->s_dev;
		__entry->old_dir = old_dir->i_ino;
		__entry->new_dir = new_dir->i_ino;
		__entry->flags = flags;
		__entry->err = err;
		memcpy(__get_str(old_name), old_name->name, old_name->len);
		__get_str(old_name)[old_name->len] = 0;
		memcpy(__get_str(new_name), new_name->name, new_name->len);
		__get_str(new_name)[new_name->len] = 0;
	),
	TP_printk("dev %d,%d dir %llu name %s to dir %llu name %s flags 0x%x err %d",
		  show_dev(__entry->dev), __entry->old_dir, __get_str(old_name),
		  __entry->new_dir, __get_str(new_name), __entry->flags, __entry->err)
);

/* ---- blocks and inodes ---- */

DECLARE_EVENT_CLASS(lnkfs_blocks_class,
	TP_PROTO(struct super_block *sb, u64 block, u32 len),
	TP_ARGS(sb, block, len),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, block)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->dev = sb->s_dev;
		__entry->block = block;
		__entry->len = len;
	),
	TP_printk("dev %d,%d block %llu len %u", show_dev(__entry->dev), __entry->block,
		  __entry->len)
);

#define DEFINE_BLOCKS_EVENT(name)					\
DEFINE_EVENT(lnkfs_blocks_class, name,					\
	TP_PROTO(struct super_block *sb, u64 block, u32 len),		\
	TP_ARGS(sb, block, len))
DEFINE_BLOCKS_EVENT(lnkfs_alloc_blocks);
DEFINE_BLOCKS_EVENT(lnkfs_free_blocks);
DEFINE_BLOCKS_EVENT(lnkfs_discard);

DECLARE_EVENT_CLASS(lnkfs_inode_class,
	TP_PROTO(struct inode *inode),
	TP_ARGS(inode),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(umode_t, mode)
		__field(u32, nlink)
		__field(loff_t, size)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->mode = inode->i_mode;
		__entry->nlink = inode->i_nlink;
		__entry->size = i_size_read(inode);
	),
	TP_printk("dev %d,%d ino %llu mode 0%o nlink %u size %lld", show_dev(__entry->dev),
		  __entry->ino, __entry->mode, __entry->nlink, __entry->size)
);

#define DEFINE_INODE_EVENT(name)					\
DEFINE_EVENT(lnkfs_inode_class, name,					\
	TP_PROTO(struct inode *inode),					\
	TP_ARGS(inode))
DEFINE_INODE_EVENT(lnkfs_alloc_inode);
DEFINE_INODE_EVENT(lnkfs_free_inode);
DEFINE_INODE_EVENT(lnkfs_orphan_add);
DEFINE_INODE_EVENT(lnkfs_orphan_del);

/* ---- data ---- */

TRACE_EVENT(lnkfs_da_reserve,
	TP_PROTO(struct inode *inode, u64 lblk, u64 len, u64 total),
	TP_ARGS(inode, lblk, len, total),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, lblk)
		__field(u64, len)
		__field(u64, total)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->lblk = lblk;
		__entry->len = len;
		__entry->total = total;
	),
	TP_printk("dev %d,%d ino %llu lblk %llu len %llu total %llu", show_dev(__entry->dev),
		  __entry->ino, __entry->lblk, __entry->len, __entry->total)
);

TRACE_EVENT(lnkfs_map_blocks,
	TP_PROTO(struct inode *inode, u64 lblk, const struct lnkfs_ext *ext),
	TP_ARGS(inode, lblk, ext),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(u64, lblk)
		__field(u64, start)
		__field(u64, block)
		__field(u64, len)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->lblk = lblk;
		__entry->start = ext->lblk;
		__entry->block = ext->block;
		__entry->len = ext->len;
		__entry->flags = ext->flags;
	),
	TP_printk("dev %d,%d ino %llu lblk %llu in extent lblk %llu block %llu len %llu %s",
		  show_dev(__entry->dev), __entry->ino, __entry->lblk, __entry->start,
		  __entry->block, __entry->len,
		  __print_flags(__entry->flags, "|",
				{ LNKFS_EXT_UNWRITTEN, "unwritten" },
				{ LNKFS_EXT_DELAYED, "delayed" },
				{ LNKFS_EXT_HOLE, "hole" }))
);

TRACE_EVENT(lnkfs_truncate,
	TP_PROTO(struct inode *inode, loff_t size),
	TP_ARGS(inode, size),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(loff_t, old_size)
		__field(loff_t, size)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->old_size = i_size_read(inode);
		__entry->size = size;
	),
	TP_printk("dev %d,%d ino %llu size %lld to %lld", show_dev(__entry->dev),
		  __entry->ino, __entry->old_size, __entry->size)
);

TRACE_EVENT(lnkfs_fsync_enter,
	TP_PROTO(struct inode *inode, loff_t start, loff_t end, int datasync),
	TP_ARGS(inode, start, end, datasync),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(loff_t, start)
		__field(loff_t, end)
		__field(int, datasync)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->start = start;
		__entry->end = end;
		__entry->datasync = datasync;
	),
	TP_printk("dev %d,%d ino %llu range %lld to %lld datasync %d", show_dev(__entry->dev),
		  __entry->ino, __entry->start, __entry->end, __entry->datasync)
);

TRACE_EVENT(lnkfs_fsync_exit,
	TP_PROTO(struct inode *inode, int err),
	TP_ARGS(inode, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, ino)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = inode->i_sb->s_dev;
		__entry->ino = inode->i_ino;
		__entry->err = err;
	),
	TP_printk("dev %d,%d ino %llu err %d", show_dev(__entry->dev), __entry->ino,
		  __entry->err)
);

/* ---- the volume ---- */

TRACE_EVENT(lnkfs_error,
	TP_PROTO(struct super_block *sb, const char *func, int line, int err, u64 ino,
		 u64 block),
	TP_ARGS(sb, func, line, err, ino, block),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__array(char, func, 32)
		__field(int, line)
		__field(int, err)
		__field(u64, ino)
		__field(u64, block)
	),
	TP_fast_assign(
		__entry->dev = sb->s_dev;
		strscpy(__entry->func, func, sizeof(__entry->func));
		__entry->line = line;
		__entry->err = err;
		__entry->ino = ino;
		__entry->block = block;
	),
	TP_printk("dev %d,%d %s:%d ino %llu block %llu err %d", show_dev(__entry->dev),
		  __entry->func, __entry->line, __entry->ino, __entry->block, __entry->err)
);

TRACE_EVENT(lnkfs_trim,
	TP_PROTO(struct super_block *sb, u64 start, u64 len, u32 minlen, u64 trimmed, int err),
	TP_ARGS(sb, start, len, minlen, trimmed, err),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, start)
		__field(u64, len)
		__field(u32, minlen)
		__field(u64, trimmed)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->dev = sb->s_dev;
		__entry->start = start;
		__entry->len = len;
		__entry->minlen = minlen;
		__entry->trimmed = trimmed;
		__entry->err = err;
	),
	TP_printk("dev %d,%d start %llu len %llu minlen %u trimmed %llu err %d",
		  show_dev(__entry->dev), __entry->start, __entry->len, __entry->minlen,
		  __entry->trimmed, __entry->err)
);

TRACE_EVENT(lnkfs_shutdown,
	TP_PROTO(struct super_block *sb, u32 how),
	TP_ARGS(sb, how),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, how)
	),
	TP_fast_assign(
		__entry->dev = sb->s_dev;
		__entry->how = how;
	),
	TP_printk("dev %d,%d %s", show_dev(__entry->dev),
		  __print_symbolic(__entry->how, { 0, "sync" }, { 1, "log" }, { 2, "now" }))
);

#endif /* LNKFS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
