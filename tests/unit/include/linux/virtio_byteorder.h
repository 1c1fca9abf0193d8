/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _UNIT_VIRTIO_BYTEORDER_H
#define _UNIT_VIRTIO_BYTEORDER_H

#include <linux/types.h>
#include <linux/virtio_types.h>

static inline bool virtio_legacy_is_little_endian(void)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

static inline bool unit_swaps(bool le)
{
	return le != virtio_legacy_is_little_endian();
}

static inline u16 __virtio16_to_cpu(bool le, __virtio16 v)
{
	return unit_swaps(le) ? __builtin_bswap16(v) : v;
}

static inline u32 __virtio32_to_cpu(bool le, __virtio32 v)
{
	return unit_swaps(le) ? __builtin_bswap32(v) : v;
}

static inline u64 __virtio64_to_cpu(bool le, __virtio64 v)
{
	return unit_swaps(le) ? __builtin_bswap64(v) : v;
}

static inline __virtio16 __cpu_to_virtio16(bool le, u16 v)
{
	return unit_swaps(le) ? __builtin_bswap16(v) : v;
}

static inline __virtio32 __cpu_to_virtio32(bool le, u32 v)
{
	return unit_swaps(le) ? __builtin_bswap32(v) : v;
}

static inline __virtio64 __cpu_to_virtio64(bool le, u64 v)
{
	return unit_swaps(le) ? __builtin_bswap64(v) : v;
}

/* The kernel has these for all of its code. */
static inline u16 le16_to_cpu(__le16 v)
{
	return __virtio16_to_cpu(true, v);
}

static inline u32 le32_to_cpu(__le32 v)
{
	return __virtio32_to_cpu(true, v);
}

static inline u64 le64_to_cpu(__le64 v)
{
	return __virtio64_to_cpu(true, v);
}

static inline __le16 cpu_to_le16(u16 v)
{
	return __cpu_to_virtio16(true, v);
}

static inline __le32 cpu_to_le32(u32 v)
{
	return __cpu_to_virtio32(true, v);
}

#endif /* _UNIT_VIRTIO_BYTEORDER_H */
