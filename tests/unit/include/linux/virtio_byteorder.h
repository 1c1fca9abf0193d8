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

#endif /* _UNIT_VIRTIO_BYTEORDER_H */
