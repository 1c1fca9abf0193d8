/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of the kernel as the code under test uses, in user space. The other
 * headers of this folder that have no text of their own include this one.
 *
 * "User memory" is the memory of the test. Accesses to it, and allocations,
 * can be made to fail: see struct unit_kernel.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#ifndef _UNIT_KERNEL_H
#define _UNIT_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

/*
 * What tests set: bytes from @fault_start to before @fault_end cannot be
 * accessed; allocation number @fail_alloc (1: the next) fails.
 */
struct unit_kernel {
	uintptr_t fault_start;
	uintptr_t fault_end;
	unsigned int fail_alloc;
	unsigned int pinned;	/* pages */
	unsigned int signals;	/* of eventfds */
};

extern struct unit_kernel unit_kernel;

/* compiler; __aligned() and __printf() are in the Makefile */

#define __user
#define __rcu
#define __force
#define ____cacheline_aligned_in_smp	__aligned(64)
#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
#define READ_ONCE(x)			__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)		\
	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)

static inline void barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* What each is for is said where it is used. */
#define smp_wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#define virt_mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST) /* full */
#define virt_rmb()			__atomic_thread_fence(__ATOMIC_ACQUIRE) /* loads */
#define virt_wmb()			__atomic_thread_fence(__ATOMIC_RELEASE) /* stores */

/* kernel */

#define BITS_PER_LONG			(8 * (int)sizeof(long))
#define BIT(n)				(1UL << (n))
#define BIT_ULL(n)			(1ULL << (n))
#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define U16_MAX				0xffff
#define DIV_ROUND_UP(n, d)		\
	({ __typeof__(d) _d = (d); ((n) + _d - 1) / _d; })
#define DIV_ROUND_UP_ULL(n, d)		DIV_ROUND_UP((unsigned long long)(n), d)
#define round_down(n, d)		((n) & ~((__typeof__(n))(d) - 1))
#define struct_size(p, member, n)	offsetof(__typeof__(*(p)), member[n])
#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - offsetof(type, member)))

#define min_t(type, a, b)	({ type _a = (a), _b = (b); _a < _b ? _a : _b; })
#define max_t(type, a, b)	({ type _a = (a), _b = (b); _a > _b ? _a : _b; })
#define min(a, b)		min_t(__typeof__(a), a, b)
#define max(a, b)		max_t(__typeof__(a), a, b)

#define MAX_ERRNO		4095
#define IS_ERR(p)		((uintptr_t)(p) >= (uintptr_t)-MAX_ERRNO)
#define PTR_ERR(p)		((long)(intptr_t)(p))

static inline void *ERR_PTR(long err)
{
	return (void *)(intptr_t)err;
}

static inline void set_bit(long nr, unsigned long *addr)
{
	addr += nr / BITS_PER_LONG;
	*addr |= 1UL << (nr & (BITS_PER_LONG - 1));
}

/* The int is the kernel's. */
static inline void set_bit_le(int nr, void *addr)
{
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		nr ^= (BITS_PER_LONG - 1) & ~7;
	set_bit(nr, addr);
}

#define hweight8(v)			__builtin_popcount((u8)(v))

static inline void sort(void *base, size_t num, size_t size,
			int (*cmp)(const void *a, const void *b), void *swap)
{
	(void)swap;
	if (num)
		qsort(base, num, size, cmp);
}

/* slab */

#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0

static inline void *unit_alloc(size_t size)
{
	if (unit_kernel.fail_alloc && !--unit_kernel.fail_alloc)
		return NULL;
	return calloc(1, size ? size : 1);
}

#define kzalloc(size, gfp)		unit_alloc(size)
#define kvzalloc(size, gfp)		unit_alloc(size)
#define kmalloc_array(n, size, gfp)	unit_alloc((n) * (size))
#define kvmalloc_array(n, size, gfp)	unit_alloc((n) * (size))
#define kvmalloc(n, gfp)		unit_alloc(n)
#define kfree(p)			free(p)
#define kvfree(p)			free(p)

/* user memory; the bound is that of x86-64 */

#define IS_ENABLED(CONFIG_option)	(CONFIG_option)
#define CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS	1

#define UNIT_PAGE			4096
#define TASK_SIZE_MAX			((1ULL << 47) - UNIT_PAGE)

#define SZ_64K				0x10000

/* Addresses have no tags here. */
#define untagged_addr(addr)		(addr)

static inline bool access_ok(const void *addr, u64 size)
{
	return size <= TASK_SIZE_MAX &&
	       (uintptr_t)addr <= TASK_SIZE_MAX - size;
}

static inline bool unit_faults(const void *addr, size_t len)
{
	return (uintptr_t)addr < unit_kernel.fault_end &&
	       (uintptr_t)addr + len > unit_kernel.fault_start;
}

static inline unsigned long copy_from_user(void *to, const void *from, size_t n)
{
	if (unit_faults(from, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

#define should_fail_usercopy()		false
#define user_access_begin(from, n)	(!unit_faults(from, n))
#define user_access_end()		do { } while (0)
/* The label is there to be used. */
#define unsafe_get_user(x, from, label)	\
	((void)&&label, (void)memcpy(&(x), (from), sizeof(x)))

static inline unsigned long copy_to_user(void *to, const void *from, size_t n)
{
	if (unit_faults(to, n))
		return n;
	memcpy(to, from, n);
	return 0;
}

/*
 * What tests do with user memory. @size bytes, zeroed; whole pages are aligned,
 * of what is not a whole page no byte more can be accessed.
 */
static inline void *user_new(size_t size)
{
	void *p;

	if (size % UNIT_PAGE)
		return calloc(1, size);
	p = aligned_alloc(UNIT_PAGE, size);
	return p ? memset(p, 0, size) : NULL;
}

/* A page that cannot be accessed any more; one at a time. */
static inline void user_gap(void *page)
{
	unit_kernel.fault_start = (uintptr_t)page;
	unit_kernel.fault_end = (uintptr_t)page + UNIT_PAGE;
}

static inline void user_free(void *p, size_t size)
{
	if (unit_kernel.fault_start >= (uintptr_t)p &&
	    unit_kernel.fault_start < (uintptr_t)p + size)
		unit_kernel.fault_end = 0;
	free(p);
}

/* Pages: a pointer to one is its address; a mapping is the memory itself. */

#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define FOLL_WRITE		1
#define FOLL_LONGTERM		2
#define VM_MAP			0
#define PAGE_KERNEL		0

struct page;

static inline int pin_user_pages_fast(unsigned long start, int nr,
				      unsigned int flags, struct page **pages)
{
	int i;

	(void)flags;
	for (i = 0; i < nr; i++, start += PAGE_SIZE) {
		if (unit_faults((void *)start, PAGE_SIZE))
			break;
		pages[i] = (struct page *)start;
	}
	unit_kernel.pinned += i;
	return i ? i : -EFAULT;
}

static inline void unpin_user_pages_dirty_lock(struct page **pages,
					       unsigned long nr, bool dirty)
{
	(void)pages;
	(void)dirty;
	unit_kernel.pinned -= nr;
}

static inline void unpin_user_page(struct page *page)
{
	(void)page;
	unit_kernel.pinned--;
}

static inline size_t fault_in_safe_writeable(const char *from, size_t n)
{
	return unit_faults(from, n) ? n : 0;
}

#define pagefault_disable()	do { } while (0)
#define pagefault_enable()	do { } while (0)
#define FUTEX_OP_OR		2

static inline int arch_futex_atomic_op_inuser(int op, int mask, int *old,
					      void *word)
{
	(void)op;
	if (unit_faults(word, 4))
		return -EFAULT;
	*old = __atomic_fetch_or((int *)word, mask, __ATOMIC_SEQ_CST);
	return 0;
}

/* All pages are anonymous. */
struct folio {
	void *mapping;
};

#define page_folio(page)		((struct folio *)(page))
#define folio_test_swapbacked(folio)	((folio) != NULL)
#define folio_test_anon(folio)		((folio) != NULL)
#define folio_test_hugetlb(folio)	((folio) == NULL)
#define folio_ref_count(folio)		((folio) ? 1 : 0)

/* Of a page nothing is kept but its address. */
#define compound_head(page)	(page)
#define PageDirty(page)		((page) != NULL)

static inline void *vmap(struct page **pages, unsigned int nr,
			 unsigned long flags, int prot)
{
	(void)nr;
	(void)flags;
	(void)prot;
	if (unit_kernel.fail_alloc && !--unit_kernel.fail_alloc)
		return NULL;
	return pages[0];
}

static inline void vunmap(const void *addr)
{
	(void)addr;
}

/* RCU, for one thread */

struct rcu_head {
	void *unused;
};

#define rcu_access_pointer(p)		(p)
#define rcu_dereference(p)		(p)
#define rcu_assign_pointer(p, v)	((p) = (v))
#define rcu_read_lock()			do { } while (0)
#define rcu_read_lock_sched()		do { } while (0)
#define rcu_read_unlock_sched()		do { } while (0)
#define rcu_read_unlock()		do { } while (0)

/* What is only a member of a struct here. */

struct unit_atomic {
	long counter;
};

struct unit_opaque {
	void *unused;
};

#define atomic_t		struct unit_atomic

static inline bool atomic_dec_and_test(atomic_t *v)
{
	(void)v;
	return true;
}

#define atomic64_t		struct unit_atomic
#define atomic_long_t		struct unit_atomic
#define refcount_t		struct unit_opaque
#define refcount_set(r, n)	((void)(r))
#define spinlock_t		struct unit_opaque
#define wait_queue_head_t	struct unit_opaque
#define wait_queue_entry_t	struct unit_opaque
#define poll_table		struct unit_opaque

struct mutex { int locked; };
struct completion { unsigned int done; };
struct list_head { struct list_head *next, *prev; };
struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
struct mmu_notifier { void *unused; };
struct work_struct { void *unused; };
struct delayed_work { struct work_struct work; };
struct rcu_work { struct work_struct work; };
struct timer_list { void *unused; };
#define kuid_t unsigned int
#define sense_reason_t unsigned int
struct kref { int refcount; };
struct xarray { void *unused; };
#define array_index_nospec(i, n)	((i) < (n) ? (i) : 0)
#define xa_load(xa, i)			((void)(xa), (void)(i), NULL)
struct workqueue_struct;
struct task_struct;
struct mm_struct;
struct file;

static inline bool completion_done(const struct completion *x)
{
	return x->done;
}

enum dma_data_direction {
	DMA_BIDIRECTIONAL,
	DMA_TO_DEVICE,
	DMA_FROM_DEVICE,
	DMA_NONE,
};

struct scatterlist {
	struct page *page;
	unsigned int offset;
	unsigned int length;
};

struct sg_table {
	struct scatterlist *sgl;
	unsigned int nents;
	unsigned int orig_nents;
};

struct eventfd_ctx;

static inline void eventfd_signal(struct eventfd_ctx *ctx)
{
	(void)ctx;
	unit_kernel.signals++;
}

static inline bool atomic_inc_not_zero(atomic_t *v)
{
	return v->counter ? ++v->counter : 0;
}

static inline long atomic_read(const atomic_t *v)
{
	return v->counter;
}

static inline void atomic_inc(atomic_t *v)
{
	v->counter++;
}

static inline long atomic_dec_return_release(atomic_t *v)
{
	return --v->counter;
}

#endif /* _UNIT_KERNEL_H */
