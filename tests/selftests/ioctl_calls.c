// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/vsg.h"
#include "ioctl_calls.h"
#include "util.h"

#define PAGE 4096

/* Queues: those that have a ring, the last one, and some that are not there. */
static uint32_t any_index(struct chance *c, const struct calls_env *env,
			  bool *wrong)
{
	static const uint32_t none[] = { 1026, 5000, INT_MAX, UINT_MAX };

	if (!chance_one_in(c, 16))
		return chance_below(c, env->nvqs < CALLS_RINGS ? env->nvqs :
					CALLS_RINGS);
	if (chance_one_in(c, 2))
		return env->nvqs - 1;
	*wrong = true;
	return chance_one_in(c, 2) ? env->nvqs :
				     none[chance_below(c, ARRAY_SIZE(none))];
}

static uint64_t any_number(struct chance *c)
{
	uint64_t bits = chance_bits(c);

	switch (chance_below(c, 4)) {
	case 0:
		return bits & 3;
	case 1:
		return bits >> chance_below(c, 64);
	case 2:
		return 1ULL << chance_below(c, 64);
	default:
		return -(bits & 7);
	}
}

/* An address: in the arena, at its borders, or of a kind that is no memory. */
static uint64_t any_address(struct chance *c, const struct calls_env *env)
{
	static const uint64_t odd[] = {
		8, 0x1000, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
		0xffff800000000000, 0xffffffffffffff00, 0xfffffffffffffffc,
	};
	uint64_t base = (uintptr_t)env->arena;

	switch (chance_below(c, 8)) {
	case 0:
		return odd[chance_below(c, ARRAY_SIZE(odd))];
	case 1:
		return base + env->size - chance_below(c, 3 * PAGE);
	case 2:
		return base + chance_below(c, env->size);
	default:
		return base + (chance_below(c, env->size) & ~63);
	}
}

static bool is_known(unsigned long cmd);

/* ---- arguments ---------------------------------------------------------- */

static void put(struct call *call, const void *arg, size_t size)
{
	call->size = size;
	memcpy(call->buf, arg, size);
}

static void make_none(struct call *call, struct chance *c,
		      const struct calls_env *env)
{
	call->size = 0;
}

static void make_features(struct call *call, struct chance *c,
			  const struct calls_env *env)
{
	const uint64_t offered = VSG_FEATURES_MODERN | VSG_FEATURES_LEGACY |
				 VSG_F(VIRTIO_SCSI_F_T10_PI) | VSG_F(VHOST_F_LOG_ALL);
	uint64_t features = chance_bits(c) & offered;

	if (chance_one_in(c, 4))
		features |= any_number(c);
	call->wrong = features & ~offered;
	put(call, &features, sizeof(features));
}

static void make_backend_features(struct call *call, struct chance *c,
				  const struct calls_env *env)
{
	uint64_t features = chance_one_in(c, 2) ? 0 : any_number(c);

	call->wrong = features;
	put(call, &features, sizeof(features));
}

static void make_u32(struct call *call, struct chance *c,
		     const struct calls_env *env)
{
	uint32_t v = any_number(c);

	put(call, &v, sizeof(v));
}

static void make_u64(struct call *call, struct chance *c,
		     const struct calls_env *env)
{
	uint64_t v = any_number(c);

	put(call, &v, sizeof(v));
}

static void make_log_base(struct call *call, struct chance *c,
			  const struct calls_env *env)
{
	uint64_t base = chance_one_in(c, 3) ? 0 : any_address(c, env);

	put(call, &base, sizeof(base));
}

/* Most fds are no eventfds; an eventfd may be closed at any time. */
static int any_fd(struct chance *c, const struct calls_env *env, bool *wrong)
{
	const int no_eventfd[] = {
		env->other_fd, env->dev_fd, 9999, -2, INT_MIN, INT_MAX,
	};

	if (chance_one_in(c, 8))
		return VHOST_FILE_UNBIND;
	if (!chance_one_in(c, 4))
		return env->eventfd[chance_below(c, CALLS_EVENTFDS)];
	*wrong = true;
	return no_eventfd[chance_below(c, ARRAY_SIZE(no_eventfd))];
}

static void make_fd(struct call *call, struct chance *c,
		    const struct calls_env *env)
{
	int fd = any_fd(c, env, &call->wrong);

	put(call, &fd, sizeof(fd));
}

static void make_file(struct call *call, struct chance *c,
		      const struct calls_env *env)
{
	struct vhost_vring_file file = {
		.index = any_index(c, env, &call->wrong),
		.fd = any_fd(c, env, &call->wrong),
	};

	put(call, &file, sizeof(file));
}

static void make_state(struct call *call, struct chance *c,
		       const struct calls_env *env)
{
	struct vhost_vring_state state = {
		.index = any_index(c, env, &call->wrong),
		.num = any_number(c),
	};

	put(call, &state, sizeof(state));
}

static void make_num(struct call *call, struct chance *c,
		     const struct calls_env *env)
{
	struct vhost_vring_state state = {
		.index = any_index(c, env, &call->wrong),
		.num = chance_one_in(c, 3) ? any_number(c) :
					     1u << chance_below(c, 8),
	};

	if (!state.num || state.num > 32768 || state.num & (state.num - 1))
		call->wrong = true;
	put(call, &state, sizeof(state));
}

static void make_base(struct call *call, struct chance *c,
		      const struct calls_env *env)
{
	make_state(call, c, env);
	if (((struct vhost_vring_state *)call->buf)->num > 0xffff)
		call->wrong = true;
}

static void make_endian(struct call *call, struct chance *c,
			const struct calls_env *env)
{
	make_state(call, c, env);
	if (((struct vhost_vring_state *)call->buf)->num > 1)
		call->wrong = true;
}

void call_ring(const struct calls_env *env, unsigned int index,
	       struct vhost_vring_addr *addr)
{
	uint64_t base = (uintptr_t)env->arena + index * 2 * PAGE;

	*addr = (struct vhost_vring_addr) {
		.index = index,
		.desc_user_addr = base,
		.avail_user_addr = base + CALLS_RING_MAX * 16,
		.used_user_addr = base + PAGE,
		.log_guest_addr = index * 2 * PAGE + PAGE,
	};
}

static void make_addr(struct call *call, struct chance *c,
		      const struct calls_env *env)
{
	uint32_t index = any_index(c, env, &call->wrong);
	struct vhost_vring_addr addr;

	call_ring(env, index % CALLS_RINGS, &addr);
	addr.index = index;
	addr.flags = chance_below(c, 2);
	if (chance_one_in(c, 8))
		addr.flags |= any_number(c);
	if (chance_one_in(c, 4))
		addr.desc_user_addr = any_address(c, env);
	if (chance_one_in(c, 4))
		addr.avail_user_addr = any_address(c, env);
	if (chance_one_in(c, 4))
		addr.used_user_addr = any_address(c, env);
	if (chance_one_in(c, 4))
		addr.log_guest_addr = any_address(c, env);
	if (addr.flags & ~1u || addr.avail_user_addr & 1 ||
	    addr.used_user_addr & 3 || addr.log_guest_addr & 3)
		call->wrong = true;
	put(call, &addr, sizeof(addr));
}

static void make_worker_id(struct call *call, struct chance *c,
			   const struct calls_env *env)
{
	struct vhost_worker_state state = {
		.worker_id = chance_one_in(c, 4) ? any_number(c) :
						   chance_below(c, 6),
	};

	call->wrong = state.worker_id >= env->nvqs;
	put(call, &state, sizeof(state));
}

static void make_new_worker(struct call *call, struct chance *c,
			    const struct calls_env *env)
{
	make_worker_id(call, c, env);
	call->wrong = false;
}

static void make_vring_worker(struct call *call, struct chance *c,
			      const struct calls_env *env)
{
	struct vhost_vring_worker w = {
		.index = any_index(c, env, &call->wrong),
		.worker_id = chance_one_in(c, 4) ? any_number(c) :
						   chance_below(c, 6),
	};

	if (call->cmd == VHOST_ATTACH_VRING_WORKER && w.worker_id >= env->nvqs)
		call->wrong = true;
	put(call, &w, sizeof(w));
}

/* A table that covers the arena, in pieces. */
static unsigned int good_regions(struct vhost_memory_region *r,
				 struct chance *c, const struct calls_env *env)
{
	unsigned int i, n = 1 << chance_below(c, 4);
	uint64_t len = env->size / n;

	for (i = 0; i < n; i++)
		r[i] = (struct vhost_memory_region) {
			.guest_phys_addr = i * len,
			.memory_size = len,
			.userspace_addr = (uintptr_t)env->arena + i * len,
		};
	return n;
}

static void spoil_table(struct call *call, struct vhost_memory *m,
			struct chance *c, const struct calls_env *env)
{
	struct vhost_memory_region *r = &m->regions[chance_below(c, m->nregions)];

	call->wrong = true;
	switch (chance_below(c, 8)) {
	case 0:
		r->memory_size = 0;
		break;
	case 1:
		r->guest_phys_addr = -r->memory_size + 1;
		break;
	case 2:
		r->userspace_addr = 0xffff800000000000;
		break;
	case 3:
		r->userspace_addr = -r->memory_size + 1;
		break;
	case 4:
		m->regions[m->nregions++] = *r;
		break;
	case 5:
		/* Behind the page that holds the table there is nothing. */
		m->nregions = 1000 + chance_below(c, 10000);
		break;
	case 6:
		m->padding = any_number(c) | 1;
		break;
	default:
		/* Anywhere: may be right, may be covered by no log. */
		call->wrong = false;
		r->userspace_addr = any_address(c, env);
		r->guest_phys_addr = any_number(c);
	}
}

static void make_table(struct call *call, struct chance *c,
		       const struct calls_env *env)
{
	struct vhost_memory *m = (void *)call->buf;
	unsigned int n;

	memset(m, 0, sizeof(*m));
	m->nregions = good_regions(m->regions, c, env);
	if (chance_one_in(c, 3))
		spoil_table(call, m, c, env);
	else if (chance_one_in(c, 8))
		m->nregions = 0;
	n = m->nregions < 64 ? m->nregions : 8;
	call->size = sizeof(*m) + n * sizeof(m->regions[0]);
}

static void make_endpoint(struct call *call, struct chance *c,
			  const struct calls_env *env)
{
	struct vhost_scsi_target t = {
		.abi_version = chance_one_in(c, 2) ? 1 : any_number(c),
		.vhost_tpgt = any_number(c),
	};

	strcpy(t.vhost_wwpn, env->wwn);
	if (chance_one_in(c, 8))
		t.vhost_wwpn[chance_below(c, 20)] = chance_bits(c);
	else if (chance_one_in(c, 16))
		memset(t.vhost_wwpn, 'n', sizeof(t.vhost_wwpn));
	if (chance_one_in(c, 8)) {
		t.reserved = any_number(c);
		call->wrong = t.reserved;
	}
	put(call, &t, sizeof(t));
}

static void make_unknown(struct call *call, struct chance *c,
			 const struct calls_env *env)
{
	static const unsigned long others[] = {
		VHOST_NET_SET_BACKEND, VHOST_VSOCK_SET_RUNNING,
		_IO(VHOST_VIRTIO, 0x3f), _IO(VHOST_VIRTIO, 0xff),
		_IOWR(VHOST_VIRTIO, 0x01, char[16383]), 0x5401, 0,
	};

	/* Of other types some are answered before they reach the device. */
	call->cmd = (any_number(c) & 0xffff00ff) | VHOST_VIRTIO << 8;
	if (chance_one_in(c, 2) || is_known(call->cmd))
		call->cmd = others[chance_below(c, ARRAY_SIZE(others))];
	call->wrong = true;
	make_u32(call, c, env);
}

/* ---- what is documented ------------------------------------------------- */

#define ERRS_MAX 8

/**
 * struct call_doc - Documentation/contract.rst, "ioctls"
 * @cmd: its number, 0 for any that is none
 * @name: as documented
 * @make: makes an argument
 * @anyone: need not be the owner
 * @late: looks at its argument before it looks who calls
 * @often: compared with others
 * @errs: beside those of all
 */
struct call_doc {
	unsigned long cmd;
	const char *name;
	void (*make)(struct call *call, struct chance *c,
		     const struct calls_env *env);
	bool anyone;
	bool late;
	unsigned int often;
	int errs[ERRS_MAX];
};

#define DOC(n) .cmd = n, .name = #n

static const struct call_doc docs[] = {
	{ DOC(VHOST_GET_FEATURES), make_u64, true, .often = 1 },
	{ DOC(VHOST_GET_BACKEND_FEATURES), make_u64, true, .often = 1 },
	{ DOC(VHOST_SET_OWNER), make_none, true, .often = 2,
	  .errs = { EBUSY, ENOMEM } },
	{ DOC(VHOST_RESET_OWNER), make_none, .often = 1 },
	{ DOC(VHOST_SET_FEATURES), make_features, .often = 4,
	  .errs = { EOPNOTSUPP, EBUSY, ENOMEM } },
	{ DOC(VHOST_SET_BACKEND_FEATURES), make_backend_features, .often = 1,
	  .errs = { EOPNOTSUPP } },
	{ DOC(VHOST_SET_MEM_TABLE), make_table, .often = 6,
	  .errs = { EINVAL, E2BIG, EOPNOTSUPP, ENOMEM } },
	{ DOC(VHOST_SET_LOG_BASE), make_log_base, .often = 3,
	  .errs = { ENOMEM } },
	{ DOC(VHOST_SET_LOG_FD), make_fd, .often = 3,
	  .errs = { ENOMEM, EBADF, EINVAL } },
	{ DOC(VHOST_NEW_WORKER), make_new_worker, .often = 2,
	  .errs = { ENOSPC, ENOMEM } },
	{ DOC(VHOST_FREE_WORKER), make_worker_id, .often = 3,
	  .errs = { ENODEV, EBUSY } },
	{ DOC(VHOST_ATTACH_VRING_WORKER), make_vring_worker, .often = 4,
	  .errs = { ENOBUFS, ENODEV } },
	{ DOC(VHOST_GET_VRING_WORKER), make_vring_worker, .often = 1,
	  .errs = { ENOBUFS } },
	{ DOC(VHOST_SET_VRING_NUM), make_num, .often = 3,
	  .errs = { ENOBUFS, EBUSY, EINVAL } },
	{ DOC(VHOST_SET_VRING_BASE), make_base, .often = 2,
	  .errs = { ENOBUFS, EBUSY, EINVAL } },
	{ DOC(VHOST_SET_VRING_ENDIAN), make_endian, .often = 1,
	  .errs = { ENOBUFS, EBUSY, EINVAL } },
	{ DOC(VHOST_GET_VRING_ENDIAN), make_state, .often = 1,
	  .errs = { ENOBUFS } },
	{ DOC(VHOST_SET_VRING_ADDR), make_addr, .often = 8,
	  .errs = { ENOBUFS, EOPNOTSUPP, EINVAL, ENOMEM } },
	{ DOC(VHOST_SET_VRING_KICK), make_file, .often = 5,
	  .errs = { ENOBUFS, EBADF, EINVAL, EBUSY, EOPNOTSUPP, ENOMEM } },
	{ DOC(VHOST_SET_VRING_CALL), make_file, .often = 5,
	  .errs = { ENOBUFS, EBADF, EINVAL, ENOMEM } },
	{ DOC(VHOST_SET_VRING_ERR), make_file, .often = 3,
	  .errs = { ENOBUFS, EBADF, EINVAL, ENOMEM } },
	{ DOC(VHOST_GET_VRING_BASE), make_state, .often = 4,
	  .errs = { ENOBUFS } },
	{ DOC(VHOST_SET_VRING_BUSYLOOP_TIMEOUT), make_state, .often = 1,
	  .errs = { ENOBUFS } },
	{ DOC(VHOST_GET_VRING_BUSYLOOP_TIMEOUT), make_state, .often = 1,
	  .errs = { ENOBUFS } },
	{ DOC(VHOST_SCSI_SET_ENDPOINT), make_endpoint, .late = true, .often = 4,
	  .errs = { EEXIST, ENODEV, EBUSY, EOPNOTSUPP, ENOMEM } },
	{ DOC(VHOST_SCSI_CLEAR_ENDPOINT), make_endpoint, .late = true,
	  .often = 2, .errs = { EINVAL, EOPNOTSUPP } },
	{ DOC(VHOST_SCSI_GET_ABI_VERSION), make_u32, true, .often = 1 },
	{ DOC(VHOST_SCSI_SET_EVENTS_MISSED), make_u32, true, .often = 1 },
	{ DOC(VHOST_SCSI_GET_EVENTS_MISSED), make_u32, true, .often = 1 },
	{ 0, "an unknown ioctl", make_unknown, .often = 3, .errs = { ENOTTY } },
};

static const struct call_doc *doc_any(struct chance *c)
{
	static unsigned int total;
	unsigned int i, n;

	if (!total) {
		for (i = 0, n = 0; i < ARRAY_SIZE(docs); i++)
			n += docs[i].often;
		total = n;
	}
	n = chance_below(c, total);
	for (i = 0; n >= docs[i].often; i++)
		n -= docs[i].often;
	return &docs[i];
}

static const struct call_doc *doc_of(unsigned long cmd)
{
	unsigned int i;

	for (i = 0; docs[i].cmd && docs[i].cmd != (uint32_t)cmd; i++)
		;
	return &docs[i];
}

static bool is_known(unsigned long cmd)
{
	return doc_of(cmd)->cmd;
}

const char *call_name(const struct call *call)
{
	return call->doc->name;
}

static int scratch_fd = -1;

int call_copy_init(void)
{
	scratch_fd = memfd_create("scratch", MFD_CLOEXEC);
	return scratch_fd < 0 ? -errno : 0;
}

bool call_copy(void *to, const void *from, size_t size)
{
	/* A place of this thread's own. */
	off_t own = (off_t)gettid() * CALL_COPY_MAX;

	return pwrite(scratch_fd, from, size, own) == (ssize_t)size &&
	       pread(scratch_fd, to, size, own) == (ssize_t)size;
}

/* Memory that is not there, or not all of it. */
static void *bad_pointer(const struct call *call, struct chance *c,
			 const struct calls_env *env)
{
	void *const bad[] = {
		NULL, (void *)8, (void *)0xffff800000000000,
		(void *)0x8000000000000000, (void *)-1, (void *)-64,
		env->scratch + PAGE, env->scratch + PAGE - call->size / 2,
		env->scratch + PAGE - call->size + 1,
	};

	return bad[chance_below(c, ARRAY_SIZE(bad))];
}

static void place(struct call *call, struct chance *c,
		  const struct calls_env *env)
{
	void *p = env->scratch + PAGE - call->size;

	call->arg = p;
	if (!call->size || chance_one_in(c, 24)) {
		call->arg = bad_pointer(call, c, env);
		/* Without a size nobody looks at it. */
		if (call->size)
			call->wrong = true;
		/* What is there of it is right. */
		p = (uint8_t *)call->arg;
		if (p < (void *)env->scratch ||
		    p >= (void *)(env->scratch + PAGE))
			return;
		call_copy(p, call->buf, env->scratch + PAGE - (uint8_t *)p);
	} else if (chance_one_in(c, 16)) {
		/* Where it may be gone, or change. */
		p = env->arena + chance_below(c, env->size - call->size);
		if (call_copy(p, call->buf, call->size)) {
			call->arg = p;
			call->wrong = false;
			return;
		}
		p = call->arg;
	}
	if (call->arg == p)
		memcpy(p, call->buf, call->size);
}

void call_make(struct call *call, struct chance *c,
	       const struct calls_env *env)
{
	call->doc = doc_any(c);
	call->cmd = call->doc->cmd;
	call->wrong = false;
	call->doc->make(call, c, env);
	place(call, c, env);
}

void call_fill(struct call *call, unsigned long cmd, const void *arg,
	       size_t size)
{
	call->doc = doc_of(cmd);
	call->cmd = cmd;
	call->wrong = false;
	put(call, arg, size);
	call->arg = call->buf;
}

bool call_allowed(const struct call *call, enum caller caller, int err)
{
	const struct call_doc *doc = call->doc;
	unsigned int i;

	if (!err && call->wrong)
		return false;
	if (caller == CALLER_STRANGER && !doc->anyone && !doc->late)
		return err == EPERM;
	if (caller == CALLER_STRANGER && doc->late && !err)
		return false;
	if (err == EPERM)
		return !doc->anyone && caller != CALLER_OWNER;
	if (!err)
		return true;
	if (err == EFAULT)
		return doc->make != make_none;
	for (i = 0; i < ERRS_MAX && doc->errs[i]; i++)
		if (doc->errs[i] == err)
			return true;
	return false;
}
