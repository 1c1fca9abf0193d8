// SPDX-License-Identifier: GPL-2.0-only
#include "pr_model.h"
#include "../lib/vsg.h"

bool pr_is_all_registrants(uint8_t type)
{
	return type == VSG_PR_WRITE_EXCLUSIVE_ALL || type == VSG_PR_EXCLUSIVE_ALL;
}

bool pr_is_registrants_only(uint8_t type)
{
	return type == VSG_PR_WRITE_EXCLUSIVE_REG || type == VSG_PR_EXCLUSIVE_REG;
}

bool pr_model_holds(const struct pr_model *m, unsigned int who)
{
	if (!m->type || !m->nexus[who].registered)
		return false;
	return pr_is_all_registrants(m->type) || m->holder == who;
}

static unsigned int registered(const struct pr_model *m)
{
	unsigned int i, n = 0;

	for (i = 0; i < PR_NEXUSES; i++)
		n += m->nexus[i].registered;
	return n;
}

/* A unit attention for every registered nexus but one. */
static void tell_others(struct pr_model *m, unsigned int who, unsigned int ua)
{
	unsigned int i;

	for (i = 0; i < PR_NEXUSES; i++)
		if (i != who && m->nexus[i].registered)
			m->nexus[i].ua |= ua;
}

/* 5.13.11.3 */
static void unregister(struct pr_model *m, unsigned int who)
{
	bool held = pr_model_holds(m, who);

	m->nexus[who].registered = false;
	if (!held || (pr_is_all_registrants(m->type) && registered(m)))
		return;
	if (pr_is_registrants_only(m->type))
		tell_others(m, who, PR_UA_RESERVATIONS_RELEASED);
	m->type = 0;
}

/* 5.13.7, table 68 */
static enum pr_answer do_register(struct pr_model *m, unsigned int who,
				  const struct pr_out *out)
{
	struct pr_nexus *n = &m->nexus[who];
	bool ignores = out->action == VSG_PROUT_REGISTER_AND_IGNORE;

	if (!ignores && out->key != (n->registered ? n->key : 0))
		return PR_CONFLICT;
	if (!n->registered && !out->action_key)
		return PR_GOOD;
	m->generation++;
	if (out->action_key) {
		n->registered = true;
		n->key = out->action_key;
	} else {
		unregister(m, who);
	}
	return PR_GOOD;
}

/* 5.13.9 */
static enum pr_answer reserve(struct pr_model *m, unsigned int who,
			      const struct pr_out *out)
{
	if (m->type)
		return pr_model_holds(m, who) && m->type == out->type ?
		       PR_GOOD : PR_CONFLICT;
	m->type = out->type;
	m->holder = who;
	return PR_GOOD;
}

/* 5.13.11.2 */
static enum pr_answer release(struct pr_model *m, unsigned int who,
			      const struct pr_out *out)
{
	if (!pr_model_holds(m, who))
		return PR_GOOD;
	/* ILLEGAL REQUEST, 26/04, but LIO sees a conflict. */
	if (m->type != out->type)
		return PR_UNKNOWN;
	if (pr_is_registrants_only(m->type) || pr_is_all_registrants(m->type))
		tell_others(m, who, PR_UA_RESERVATIONS_RELEASED);
	m->type = 0;
	return PR_GOOD;
}

/* 5.13.11.6 */
static enum pr_answer clear(struct pr_model *m, unsigned int who)
{
	unsigned int i;

	tell_others(m, who, PR_UA_RESERVATIONS_PREEMPTED);
	for (i = 0; i < PR_NEXUSES; i++)
		m->nexus[i].registered = false;
	m->type = 0;
	m->generation++;
	return PR_GOOD;
}

/* All with the key, or all, lose their registration, but for one. */
static void remove_others(struct pr_model *m, unsigned int who, uint64_t key,
			  bool all)
{
	unsigned int i;

	for (i = 0; i < PR_NEXUSES; i++) {
		struct pr_nexus *n = &m->nexus[i];

		if (i == who || !n->registered || (!all && n->key != key))
			continue;
		n->registered = false;
		n->ua |= PR_UA_REGISTRATIONS_PREEMPTED;
	}
}

static unsigned int with_key(const struct pr_model *m, uint64_t key, bool all)
{
	unsigned int i, set = 0;

	for (i = 0; i < PR_NEXUSES; i++)
		if (m->nexus[i].registered && (all || m->nexus[i].key == key))
			set |= 1 << i;
	return set;
}

/* 5.13.11.4 */
static enum pr_answer preempt(struct pr_model *m, unsigned int who,
			      const struct pr_out *out, unsigned int *aborted)
{
	uint64_t key = out->action_key;
	bool all = pr_is_all_registrants(m->type);
	bool own = key == m->nexus[who].key;
	bool takes;
	unsigned int set;

	if (all && own)
		return PR_UNKNOWN;
	if (!all && !key)
		return PR_BAD_LIST;
	set = with_key(m, key, all && !key);
	if (all)
		takes = !key;
	else
		takes = m->type && (set & (1 << m->holder));
	/* LIO must not be asked; see Documentation/errors.rst. */
	if (own && !takes)
		return PR_BAD_LIST;
	if (!set)
		return PR_CONFLICT;

	remove_others(m, who, key, all && !key);
	if (takes) {
		if (m->type != out->type)
			tell_others(m, who, PR_UA_RESERVATIONS_RELEASED);
		m->type = out->type;
		m->holder = who;
	}
	m->generation++;
	if (out->action == VSG_PROUT_PREEMPT_AND_ABORT)
		*aborted = set;
	return PR_GOOD;
}

enum pr_answer pr_model_out(struct pr_model *m, unsigned int who,
			    const struct pr_out *out, unsigned int *aborted)
{
	const struct pr_nexus *n = &m->nexus[who];

	*aborted = 0;
	if (out->action == VSG_PROUT_REGISTER ||
	    out->action == VSG_PROUT_REGISTER_AND_IGNORE)
		return do_register(m, who, out);
	if (!n->registered || n->key != out->key)
		return PR_CONFLICT;
	switch (out->action) {
	case VSG_PROUT_RESERVE:
		return reserve(m, who, out);
	case VSG_PROUT_RELEASE:
		return release(m, who, out);
	case VSG_PROUT_CLEAR:
		return clear(m, who);
	default:
		return preempt(m, who, out, aborted);
	}
}

/* 5.13.1, table 63 */
enum pr_answer pr_model_rw(const struct pr_model *m, unsigned int who, bool write)
{
	bool exclusive = m->type == VSG_PR_EXCLUSIVE ||
			 m->type == VSG_PR_EXCLUSIVE_REG ||
			 m->type == VSG_PR_EXCLUSIVE_ALL;

	if (!m->type || pr_model_holds(m, who))
		return PR_GOOD;
	if (pr_is_registrants_only(m->type) && m->nexus[who].registered)
		return PR_GOOD;
	return write || exclusive ? PR_CONFLICT : PR_GOOD;
}
