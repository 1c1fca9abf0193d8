// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which device is bound to which target port groups.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>

#include "target.h"

/* Guards the list; a leaf. */
static DEFINE_MUTEX(tpgs_mutex);
static LIST_HEAD(tpgs);

/* A TPG can be found from now on. */
void vhost_scsi_tpg_publish(struct vhost_scsi_tpg *tpg)
{
	mutex_lock(&tpgs_mutex);
	list_add_tail(&tpg->node, &tpgs);
	mutex_unlock(&tpgs_mutex);
}

/* It is not bound, for a bound one cannot be removed. */
void vhost_scsi_tpg_hide(struct vhost_scsi_tpg *tpg)
{
	mutex_lock(&tpgs_mutex);
	list_del(&tpg->node);
	mutex_unlock(&tpgs_mutex);
}

static bool is_called(const struct vhost_scsi_tpg *tpg, const char *wwpn)
{
	/* LIO wants the name of an FC port without it; both are understood. */
	if (tpg->tport->proto == SCSI_PROTOCOL_FCP && !strncmp(wwpn, "fc.", 3))
		wwpn += 3;
	return !strcmp(tpg->tport->name, wwpn);
}

/* Finds the port's TPGs; each keeps its configfs item, and so its memory. */
static void find_tpgs(struct vhost_scsi_endpoint *ep)
{
	struct vhost_scsi_tpg *tpg;

	mutex_lock(&tpgs_mutex);
	list_for_each_entry(tpg, &tpgs, node)
		/* fc.naa.X and naa.X are both called naa.X: the first one. */
		if (is_called(tpg, ep->wwpn) && !ep->tpgs[tpg->tpgt] &&
		    config_item_get_unless_zero(&tpg->tpg.tpg_group.cg_item))
			ep->tpgs[tpg->tpgt] = tpg;
	mutex_unlock(&tpgs_mutex);
}

/*
 * All of them or none: a guest that silently lacks the disks of one TPG is worse
 * off than one that does not start. The caller is asked, not who opened the file:
 * libvirt opens it as root and hands it to QEMU.
 */
static bool may_bind(const struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		kuid_t uid;

		if (!ep->tpgs[i])
			continue;
		uid = READ_ONCE(ep->tpgs[i]->bind_uid);
		if (uid_valid(uid) && !uid_eq(uid, current_fsuid()))
			return capable(CAP_DAC_OVERRIDE);
	}
	return true;
}

static void forget_tpgs(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++)
		if (ep->tpgs[i])
			config_item_put(&ep->tpgs[i]->tpg.tpg_group.cg_item);
}

static int claim_tpg(struct vhost_scsi_tpg *tpg, struct vhost_scsi_dev *dev)
{
	struct se_session *sess;

	lockdep_assert_held(&tpg->mutex);
	if (tpg->dev)
		return -EBUSY;
	sess = vhost_scsi_tpg_nexus(tpg);
	if (IS_ERR(sess))
		return PTR_ERR(sess);
	tpg->dev = dev;
	return 0;
}

/*
 * Takes over the reference that find_tpgs() got. No mutex of ours is held while
 * configfs takes locks that it also holds when it calls us.
 */
static int bind_tpg(struct vhost_scsi_tpg *tpg, struct vhost_scsi_dev *dev)
{
	struct config_item *item = &tpg->tpg.tpg_group.cg_item;
	int ret;

	/* The directory, and those above, cannot be removed from now on. */
	ret = target_depend_item(item);
	config_item_put(item);
	if (ret)
		return -ENODEV;

	mutex_lock(&tpg->mutex);
	ret = claim_tpg(tpg, dev);
	mutex_unlock(&tpg->mutex);
	if (ret)
		target_undepend_item(item);
	return ret;
}

/* They count from now on; a TPG that is bound may be given others. */
static void read_attributes(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		if (!ep->tpgs[i])
			continue;
		ep->pin_memory |= READ_ONCE(ep->tpgs[i]->pin_memory);
		ep->poll_us = max(ep->poll_us, READ_ONCE(ep->tpgs[i]->poll_us));
	}
}

/*
 * A TPG that is going, has no nexus or is another's is not for this guest. All
 * others it must see, or it would take a LUN that it has for gone.
 */
static bool is_fatal(int err)
{
	return err && err != -ENODEV && err != -EBUSY;
}

/**
 * vhost_scsi_endpoint_get - bind a device to all free TPGs of a port
 * @wwpn: the port
 * @dev: told of LUNs that come and go until the endpoint is put
 *
 * Context: may sleep.
 * Return: the endpoint; or an ERR_PTR: -EACCES: one of its TPGs is for another
 * user; -ENODEV: there is no such port, or none of its TPGs has a nexus; -EBUSY:
 * others are bound to them; -ENOMEM.
 */
struct vhost_scsi_endpoint *vhost_scsi_endpoint_get(const char *wwpn,
						    struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_endpoint *ep;
	int ret = 0, err = -ENODEV;
	bool bound = false;
	unsigned int i;

	ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	if (!ep)
		return ERR_PTR(-ENOMEM);
	strscpy(ep->wwpn, wwpn, sizeof(ep->wwpn));

	find_tpgs(ep);
	if (!may_bind(ep)) {
		forget_tpgs(ep);
		kfree(ep);
		return ERR_PTR(-EACCES);
	}
	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		if (!ep->tpgs[i])
			continue;
		if (is_fatal(ret))
			config_item_put(&ep->tpgs[i]->tpg.tpg_group.cg_item);
		else
			ret = bind_tpg(ep->tpgs[i], dev);
		if (!ret) {
			bound = true;
			continue;
		}
		ep->tpgs[i] = NULL;
		if (ret != -ENODEV)
			err = ret;
	}

	if (!bound || is_fatal(ret)) {
		vhost_scsi_endpoint_put(ep);
		return ERR_PTR(err);
	}
	read_attributes(ep);
	return ep;
}

/**
 * vhost_scsi_endpoint_put - give the TPGs back
 * @ep: no command or function of it is under way
 *
 * Context: may sleep.
 */
void vhost_scsi_endpoint_put(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		struct vhost_scsi_tpg *tpg = ep->tpgs[i];

		if (!tpg)
			continue;
		mutex_lock(&tpg->mutex);
		tpg->dev = NULL;
		mutex_unlock(&tpg->mutex);
		target_undepend_item(&tpg->tpg.tpg_group.cg_item);
	}
	kfree(ep);
}

const char *vhost_scsi_endpoint_wwpn(const struct vhost_scsi_endpoint *ep)
{
	return ep->wwpn;
}

bool vhost_scsi_endpoint_has(const struct vhost_scsi_endpoint *ep, u8 target)
{
	return ep->tpgs[target];
}

/**
 * vhost_scsi_endpoint_pins - is guest memory to be pinned as a whole
 * @ep: what a device is bound to
 *
 * Return: true if one of its TPGs was so when the device was bound.
 */
bool vhost_scsi_endpoint_pins(const struct vhost_scsi_endpoint *ep)
{
	return ep->pin_memory;
}

/**
 * vhost_scsi_endpoint_poll_us - how long a queue may be polled
 * @ep: what a device is bound to
 *
 * Return: microseconds, the most that one of its TPGs had when the device was bound;
 * 0: not at all.
 */
u32 vhost_scsi_endpoint_poll_us(const struct vhost_scsi_endpoint *ep)
{
	return ep->poll_us;
}
