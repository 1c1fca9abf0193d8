/* SPDX-License-Identifier: GPL-2.0-only */
/* Batches of random chains. */
#ifndef FUZZ_CHAIN_H
#define FUZZ_CHAIN_H

#include "fuzz.h"

#define FROM_QUERY	(-2)	/* a response */
#define DATA_MAX	(64UL << 20)	/* Documentation/errors.rst */
#define SLICES		64	/* of the memory, one for each chain */
#define SLICE		8192UL
#define BATCH_MAX	(SLICES - 1)
#define MAIN_SIZE	(SLICES * SLICE)
#define EDGE_SIZE	65536UL
#define EDGE_OUTSIDE	1000	/* its last bytes are not the guest's */
#define OTHER_SIZE	65536UL
#define TABLE_SLOT	1024UL
#define TABLE_BIG	1100	/* entries of one that is longer than any chain */
#define TABLE_SIZE	(SLICES * TABLE_SLOT + 32768)
#define PIECES_MAX	65536

#define F_NEXT		VRING_DESC_F_NEXT
#define F_WRITE		VRING_DESC_F_WRITE
#define F_INDIRECT	VRING_DESC_F_INDIRECT

/**
 * enum zone - what is at a guest address
 * @Z_TABLE: indirect tables; nobody may write here
 * @Z_MAIN: headers, data and answers
 * @Z_EDGE: follows Z_MAIN, and ends in the middle of a page
 * @Z_HOLE: follows, is in the memory table, but not to be read or written
 * @Z_CONST: follows, can be read only
 * @Z_OTHERS: rings and data of other queues
 * @Z_NOWHERE: no memory
 */
enum zone { Z_TABLE, Z_MAIN, Z_EDGE, Z_HOLE, Z_CONST, NR_ZONES,
	    Z_OTHERS = NR_ZONES, Z_NOWHERE };

struct zone_place {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

/**
 * enum batch_kind - how much the chains of a batch have to do with each other
 * @B_EXACT: each has memory of its own, so its answer is known
 * @B_SHARED: all use the same memory
 * @B_WILD: heads and next indices are anything; the ring may break
 */
enum batch_kind { B_EXACT, B_SHARED, B_WILD };

struct piece {
	uint8_t *p;
	uint64_t len;
	enum zone zone;
};

/**
 * struct chain - an entry of the avail ring
 * @head: its head
 * @own: slice of the chain that was made with this head; SLICES: none
 * @broken: the ring is corrupt here
 * @malformed: as Documentation/errors.rst says
 * @loose: memory is involved that others write; the answer is not known
 * @foreign: it may write to memory of other chains
 * @seen_in: a device-writable descriptor was seen
 * @done: given back
 * @nr: descriptors that were looked at
 * @out_len: bytes to be read
 * @in_len: bytes that may be written
 * @piece: first of its pieces
 * @nr_out: pieces to be read
 * @nr_in: pieces to be written, behind the others
 * @response: what the answer must say, or -1: what the target says; or FROM_QUERY:
 *	     likewise, and it may have found something
 * @data_in: bytes of data-in that go with it
 * @used: used.len without data-in
 * @limit: no more than so many of its first bytes are written
 */
struct chain {
	uint16_t head;
	unsigned int own;
	bool broken, malformed, loose, foreign, seen_in, done;
	unsigned int nr;
	uint64_t out_len, in_len;
	unsigned int piece, nr_out, nr_in;
	int response;
	uint64_t data_in;
	uint32_t used;
	uint64_t limit;
};

/**
 * struct batch - what is published at a time
 * @ring: where
 * @rng: by which chance
 * @zone: memory of this queue alone
 * @kind: see there
 * @control: of the control queue
 * @events: of the event queue
 * @chain: the entries, in order
 * @nr: of them
 * @nr_desc: descriptors used in the ring's table
 * @jump: the avail index goes ahead by that much and not by @nr
 * @mixed: answers may be overwritten by other chains
 * @pieces: of the chains
 * @nr_pieces: of them
 * @shadow: what Z_MAIN and Z_EDGE must hold
 */
struct batch {
	struct vsg_ring *ring;
	struct rng rng;
	struct zone_place zone[NR_ZONES];
	enum batch_kind kind;
	bool control, events;
	struct chain chain[BATCH_MAX];
	unsigned int nr;
	unsigned int nr_desc;
	unsigned int jump;
	bool mixed;
	struct piece pieces[PIECES_MAX];
	unsigned int nr_pieces;
	uint8_t *shadow[NR_ZONES];
	uint16_t own[32768];
};

/**
 * batch_init() - lay out memory for the batches of a queue
 * @b: zeroed, with @ring and @rng
 *
 * Before the memory table is set.  Return: 0 or a negative errno.
 */
int batch_init(struct batch *b);

/**
 * batch_make() - fill the ring's table and the avail ring's entries
 * @b: nothing is outstanding
 * @kind: of what kind
 * @nr: entries wanted; there may be fewer
 */
void batch_make(struct batch *b, enum batch_kind kind, unsigned int nr);

/* The first entry at which the ring breaks, or b->nr. */
unsigned int batch_end(const struct batch *b);

/* Was anything written that should not be?  Returns NULL, or where. */
const char *batch_check(struct batch *b);

/**
 * batch_find() - what is at a guest address
 * @b: the batch
 * @gpa: the address
 * @p: set to where that is, or NULL
 * @left: set to how many bytes of it follow
 */
enum zone batch_find(const struct batch *b, uint64_t gpa, uint8_t **p,
		     uint64_t *left);

/* A descriptor of @r, or of a table, read. */
struct vsg_seg batch_desc(const struct vsg_ring *r,
			  const struct vring_desc *desc);

#endif /* FUZZ_CHAIN_H */
