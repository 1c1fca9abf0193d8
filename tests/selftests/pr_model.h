/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of persistent reservations (SPC-4, 5.13) of one logical unit: what each command
 * of each nexus is answered. It knows no device.
 *
 * Where a service action is ambiguous in the standard, and LIO has an answer of its own,
 * pr_model_out() says PR_UNKNOWN, and the test does not ask.
 */
#ifndef PR_MODEL_H
#define PR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define PR_NEXUSES 4

/* Answers; the statuses are those of SAM-5. */
enum pr_answer {
	PR_GOOD = 0x00,
	PR_CONFLICT = 0x18,
	PR_BAD_LIST = 0x100,	/* ILLEGAL REQUEST, INVALID FIELD IN PARAMETER LIST */
	PR_UNKNOWN = 0x200,
};

/* Unit attentions: what a nexus lost, and by what; bits of pr_nexus.ua. */
enum {
	PR_UA_RESERVATIONS_PREEMPTED = 1 << 3,	/* 2A/03 */
	PR_UA_RESERVATIONS_RELEASED = 1 << 4,	/* 2A/04 */
	PR_UA_REGISTRATIONS_PREEMPTED = 1 << 5,	/* 2A/05 */
};

/**
 * struct pr_nexus - what the logical unit knows of a nexus
 * @registered: it is
 * @key: with this one
 * @ua: unit attentions pending
 */
struct pr_nexus {
	bool registered;
	uint64_t key;
	unsigned int ua;
};

/**
 * struct pr_model - a logical unit
 * @nexus: all of them
 * @type: of the reservation; 0: there is none
 * @holder: who holds it, unless it is of an all registrants type
 * @generation: PRGENERATION
 */
struct pr_model {
	struct pr_nexus nexus[PR_NEXUSES];
	uint8_t type;
	unsigned int holder;
	uint32_t generation;
};

/**
 * struct pr_out - a PERSISTENT RESERVE OUT
 * @action: service action
 * @type: of a reservation
 * @key: reservation key
 * @action_key: service action reservation key
 */
struct pr_out {
	uint8_t action;
	uint8_t type;
	uint64_t key;
	uint64_t action_key;
};

bool pr_is_all_registrants(uint8_t type);
bool pr_is_registrants_only(uint8_t type);

/* Does this nexus hold the reservation? */
bool pr_model_holds(const struct pr_model *m, unsigned int who);

/**
 * pr_model_out() - carry it out
 * @m: changes if the answer is PR_GOOD
 * @who: the nexus, without a unit attention
 * @out: the command
 * @aborted: set: bits of the nexuses whose commands are ended before the answer
 */
enum pr_answer pr_model_out(struct pr_model *m, unsigned int who,
			    const struct pr_out *out, unsigned int *aborted);

/* A READ, or a WRITE: GOOD or a conflict. */
enum pr_answer pr_model_rw(const struct pr_model *m, unsigned int who, bool write);

#endif /* PR_MODEL_H */
