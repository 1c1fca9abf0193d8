// SPDX-License-Identifier: GPL-2.0-only
/* Which data a guest may find, and which answers fit the disturbances at that time. */
#include <stdio.h>

#include "chaos.h"

struct chaos *chaos;

/* ---- time --------------------------------------------------------------- */

void cause_begin(struct cause *cause)
{
	atomic_store(&cause->from, atomic_fetch_add(&chaos->time, 1) + 1);
}

void cause_end(struct cause *cause)
{
	atomic_store(&cause->until, atomic_fetch_add(&chaos->time, 1) + 1);
}

bool cause_since(const struct cause *cause, uint64_t born)
{
	uint64_t until = atomic_load(&cause->until);

	return atomic_load(&cause->from) > until || until > born;
}

/* ---- blocks ------------------------------------------------------------- */

/* The stores that the slot's LUN may be: one, or the two that take turns. */
static unsigned int slot_stores(const struct slot *slot, enum store *store)
{
	if (slot->lun != LUN_HOT) {
		*store = (enum store)slot->lun;
		return 1;
	}
	*store = STORE_HOT_A;
	return 2;
}

static struct block *blocks_of(const struct slot *slot, unsigned int nth)
{
	enum store store;

	slot_stores(slot, &store);
	return chaos->guest[slot->guest].block[store + nth][slot->queue]
					      [slot->index];
}

static uint64_t slot_lba(const struct slot *slot)
{
	return ((slot->guest * QUEUES + slot->queue) * DEPTH + slot->index) *
	       SPAN;
}

/* A block: which write made it, and data that follows from that. */
static void block_fill(void *buf, uint64_t lba, uint32_t number)
{
	vsg_pattern(buf, BLOCK, lba * BLOCK, number);
	vsg_put_be(buf, number, 4);
}

/* The number of the write, 0 for none, or -1. */
static int64_t block_number(const void *buf, uint64_t lba)
{
	static const uint8_t zero[BLOCK];
	uint8_t want[BLOCK];
	uint32_t number = vsg_get_be(buf, 4);

	if (!memcmp(buf, zero, BLOCK))
		return 0;
	block_fill(want, lba, number);
	return number && !memcmp(buf, want, BLOCK) ? (int64_t)number : -1;
}

void slot_fill(struct slot *slot, enum lun lun, bool write, unsigned int blocks)
{
	struct vsg_req *req = slot->req;
	unsigned int n, i, nth;
	enum store store;

	slot->lun = lun;
	slot->write = write;
	slot->blocks = blocks;
	slot->number = 0;
	slot->aborted = false;
	slot->doomed = false;
	slot->serial++;
	n = slot_stores(slot, &store);
	vsg_cmd_rw(req, TARGET, lun, write, slot_lba(slot), blocks, BLOCK);
	req->hdr->tag = slot->serial << 16 | slot->queue << 8 | slot->index;
	memset(req->data_in, VSG_POISON, blocks * BLOCK);
	for (nth = 0; nth < n && write; nth++)
		for (i = 0; i < SPAN; i++)
			if (blocks_of(slot, nth)[i].hi >= slot->number)
				slot->number = blocks_of(slot, nth)[i].hi + 1;
	for (i = 0; i < blocks && write; i++)
		block_fill(req->data_out + i * BLOCK, slot_lba(slot) + i,
			   slot->number);
	/* From now on it may be there, also if this process is killed. */
	for (nth = 0; nth < n && write; nth++) {
		memcpy(slot->before[nth], blocks_of(slot, nth),
		       sizeof(slot->before[nth]));
		for (i = 0; i < blocks; i++)
			blocks_of(slot, nth)[i].hi = slot->number;
	}
	slot->born = atomic_load(&chaos->time);
}

/* ---- answers ------------------------------------------------------------ */

/* Which of its stores the request may have reached, a bit for each. */
static unsigned int reached(const struct slot *slot)
{
	const struct record *g = &chaos->guest[slot->guest];

	if (slot->lun != LUN_HOT)
		return 1;
	return cause_since(&g->hot[0], slot->born) |
	       cause_since(&g->hot[1], slot->born) << 1;
}

static bool only_one(unsigned int mask)
{
	return mask == 1 || mask == 2;
}

static void written(struct slot *slot, unsigned int mask, bool good)
{
	enum store store;
	unsigned int nth, i, n = slot_stores(slot, &store);

	for (nth = 0; nth < n; nth++) {
		struct block *b = blocks_of(slot, nth);

		if (!(mask & 1 << nth))
			memcpy(b, slot->before[nth], sizeof(slot->before[nth]));
		for (i = 0; i < slot->blocks && good && mask == 1u << nth; i++)
			b[i].lo = slot->number;
	}
}

static bool read_check(struct slot *slot, unsigned int mask, char *why,
		       size_t size)
{
	unsigned int fit = mask, nth, i;
	int64_t number[SPAN];

	for (i = 0; i < slot->blocks; i++) {
		number[i] = block_number(slot->req->data_in + i * BLOCK,
					 slot_lba(slot) + i);
		for (nth = 0; nth < 2; nth++) {
			const struct block *b = blocks_of(slot, nth);

			if (fit & 1 << nth &&
			    (number[i] < b[i].lo || number[i] > b[i].hi))
				fit &= ~(1 << nth);
		}
		if (fit)
			continue;
		snprintf(why, size,
			 "block %u holds write %lld, not %u to %u, nor another store's",
			 i, (long long)number[i], blocks_of(slot, 0)[i].lo,
			 blocks_of(slot, 0)[i].hi);
		return false;
	}
	for (i = 0; i < slot->blocks && only_one(fit); i++) {
		struct block *b = &blocks_of(slot, fit - 1)[i];

		b->lo = number[i];
		b->hi = number[i];
	}
	return true;
}

static bool good_check(struct slot *slot, const struct vsg_result *res,
		       unsigned int mask, char *why, size_t size)
{
	size_t len = slot->write ? 0 : slot->blocks * BLOCK;

	if (slot->doomed)
		snprintf(why, size, "GOOD, though a reset ended it");
	else if (!mask)
		snprintf(why, size, "GOOD, though there was no such LUN");
	else if (res->resid || res->sense_len)
		snprintf(why, size, "GOOD with residual %u, %u bytes of sense",
			 res->resid, res->sense_len);
	else if (slot->req->tok.len != VSG_RESP_LEN + len)
		snprintf(why, size, "GOOD with used.len %u",
			 slot->req->tok.len);
	else
		return slot->write || read_check(slot, mask, why, size);
	return false;
}

/* Has another guest reset what is this one's disk, too? */
static bool reset_by_others(const struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < GUESTS; i++)
		if (i != slot->guest &&
		    cause_since(&chaos->guest[i].reset[slot->lun], slot->born))
			return slot->lun == LUN_RAM || slot->lun == LUN_FILE;
	return false;
}

static unsigned int resets_of(const struct slot *slot)
{
	unsigned int i, resets = 0;

	for (i = 0; i < GUESTS; i++)
		if (i == slot->guest || slot->lun == LUN_RAM ||
		    slot->lun == LUN_FILE)
			resets += atomic_load(&chaos->guest[i].resets[slot->lun]);
	return resets;
}

/* Each reset and each LUN that comes or goes is told of at most once. */
static bool attention_fits(const struct slot *slot, int asc)
{
	struct record *g = &chaos->guest[slot->guest];

	if (asc == 0x3f0e)
		return ++g->change_attentions[slot->lun] <=
		       atomic_load(&g->changes);
	return asc >> 8 == 0x29 &&
	       ++g->reset_attentions[slot->lun] <= resets_of(slot);
}

/* LIO says BUSY when another request takes the unit attention first. */
static bool busy_fits(const struct slot *slot)
{
	struct record *g = &chaos->guest[slot->guest];

	return ++g->busy[slot->lun] <= (resets_of(slot) +
		atomic_load(&g->changes)) * QUEUES * DEPTH;
}

static bool check_condition_fits(const struct slot *slot,
				 const struct vsg_result *res)
{
	const struct record *g = &chaos->guest[slot->guest];

	if (res->key == 6)
		return attention_fits(slot, res->asc);
	/* LOGICAL UNIT NOT SUPPORTED */
	if (res->asc == 0x2500)
		return res->key == 5 && slot->lun == LUN_HOT &&
		       cause_since(&g->absent, slot->born);
	/* LOGICAL UNIT COMMUNICATION FAILURE */
	return res->asc == 0x0800 && slot->lun == LUN_DISK &&
	       cause_since(&g->broken, slot->born);
}

static bool failure_fits(const struct slot *slot, const struct vsg_result *res)
{
	const struct record *g = &chaos->guest[slot->guest];
	bool reset = cause_since(&g->reset[slot->lun], slot->born);

	switch (res->response) {
	case VIRTIO_SCSI_S_RESET:
		return reset;
	case VIRTIO_SCSI_S_ABORTED:
		return reset || slot->aborted;
	case VIRTIO_SCSI_S_OK:
		break;
	default:
		return false;
	}
	switch (res->status) {
	case VSG_TASK_ABORTED:
		return reset_by_others(slot);
	case VSG_BUSY:
		return busy_fits(slot);
	case VSG_CHECK_CONDITION:
		return check_condition_fits(slot, res);
	default:
		return false;
	}
}

bool slot_check(struct slot *slot, char *why, size_t size)
{
	struct record *g = &chaos->guest[slot->guest];
	struct vsg_result res = vsg_result(slot->req);
	unsigned int mask = reached(slot);
	bool good = vsg_good(slot->req);

	if (slot->write)
		written(slot, mask, good);
	if (good) {
		atomic_fetch_add(&g->good[slot->queue], 1);
		return good_check(slot, &res, mask, why, size);
	}
	atomic_fetch_add(&g->failed, 1);
	if (failure_fits(slot, &res))
		return true;
	snprintf(why, size,
		 "response %u, status %#x, sense %d/%04x for no reason",
		 res.response, res.status, res.key, res.asc);
	return false;
}
