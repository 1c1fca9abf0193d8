/* SPDX-License-Identifier: GPL-2.0-only */
/* The expected answer to a random chain, and the comparison with the device's. */
#ifndef FUZZ_EXPECT_H
#define FUZZ_EXPECT_H

#include "fuzz_chain.h"

/**
 * chain_expect() - what the device has to make of an entry
 * @b: all is in the ring, and nothing of it published
 * @c: the entry, with its head and its slice; the rest is set
 */
void chain_expect(struct batch *b, struct chain *c);

/**
 * batch_answer() - check what the device says about an entry
 * @b: the batch
 * @c: the entry
 * @len: used.len
 *
 * Takes what was allowed to be written into the shadow.
 *
 * Return: NULL, or what is wrong.
 */
const char *batch_answer(struct batch *b, struct chain *c, uint32_t len);

/* An answer that says that a command was carried out. */
bool batch_good(const struct batch *b, const struct chain *c);

void batch_print(const struct batch *b, const struct chain *c);

#endif /* FUZZ_EXPECT_H */
