// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: regions of this process that the device may reach. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vsg.h"

static int region_add(struct vsg_mem *mem, const struct vsg_region *region)
{
	struct vsg_region *p;

	p = realloc(mem->region, (mem->nr + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	p[mem->nr++] = *region;
	mem->region = p;
	return 0;
}

int vsg_mem_add_hva(struct vsg_mem *mem, uint64_t gpa, size_t size, void *hva)
{
	struct vsg_region region = { .gpa = gpa, .size = size, .hva = hva };

	return region_add(mem, &region);
}

#define HUGE_PAGE (2UL << 20)

/* Maps more, and gives back what is not between the borders of huge pages. */
static void *map_huge(size_t size)
{
	size_t total = size + HUGE_PAGE, before;
	uint8_t *p;

	p = mmap(NULL, total, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return p;
	before = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + size, HUGE_PAGE - before);
	madvise(p + before, size, MADV_HUGEPAGE);
	return p + before;
}

static void *map(size_t size, unsigned int flags)
{
	void *p;
	int fd;

	if (flags & VSG_MEM_HUGE)
		return map_huge(size);
	if (!(flags & VSG_MEM_MEMFD))
		return mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = memfd_create("vsg", MFD_CLOEXEC);
	if (fd < 0)
		return MAP_FAILED;
	p = MAP_FAILED;
	if (!ftruncate(fd, size))
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p;
}

int vsg_mem_add(struct vsg_mem *mem, uint64_t gpa, size_t size,
		unsigned int flags)
{
	struct vsg_region region = { .gpa = gpa, .size = size, .owned = true };
	int ret;

	region.hva = map(size, flags);
	if (region.hva == MAP_FAILED)
		return -errno;
	madvise(region.hva, size, MADV_DONTFORK);
	ret = region_add(mem, &region);
	if (ret)
		munmap(region.hva, size);
	return ret;
}

void vsg_mem_destroy(struct vsg_mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++)
		if (mem->region[i].owned)
			munmap(mem->region[i].hva, mem->region[i].size);
	free(mem->region);
	memset(mem, 0, sizeof(*mem));
}

void *vsg_mem_alloc_in(struct vsg_mem *mem, unsigned int region, size_t size,
		       size_t align)
{
	struct vsg_region *reg = &mem->region[region];
	size_t used = __atomic_load_n(&reg->used, __ATOMIC_RELAXED), start;

	do {
		start = (used + align - 1) & ~(align - 1);
		if (start > reg->size || size > reg->size - start)
			return NULL;
	} while (!__atomic_compare_exchange_n(&reg->used, &used, start + size,
					      true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return reg->hva + start;
}

void *vsg_mem_alloc(struct vsg_mem *mem, size_t size, size_t align)
{
	unsigned int i;
	void *p = NULL;

	for (i = 0; i < mem->nr && !p; i++)
		p = vsg_mem_alloc_in(mem, i, size, align);
	return p;
}

size_t vsg_mem_mark(const struct vsg_mem *mem)
{
	return mem->region[0].used;
}

void vsg_mem_release(struct vsg_mem *mem, size_t mark)
{
	mem->region[0].used = mark;
}

uint64_t vsg_gpa(const struct vsg_mem *mem, const void *p)
{
	const uint8_t *b = p;
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		const struct vsg_region *reg = &mem->region[i];

		if (b >= reg->hva && b < reg->hva + reg->size)
			return reg->gpa + (b - reg->hva);
	}
	return VSG_NO_GPA;
}

void *vsg_hva(const struct vsg_mem *mem, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < mem->nr; i++) {
		const struct vsg_region *reg = &mem->region[i];

		if (gpa >= reg->gpa && gpa - reg->gpa < reg->size)
			return reg->hva + (gpa - reg->gpa);
	}
	return NULL;
}
