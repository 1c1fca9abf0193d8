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

/* Protects tpgs. No other lock is taken under it. */
static DEFINE_MUTEX(tpgs_mutex);
static LIST_HEAD(tpgs);
static atomic64_t bindings;

/* From now on vhost_scsi_endpoint_get() finds the TPG. */
void vhost_scsi_tpg_publish(struct vhost_scsi_tpg *tpg)
{
	mutex_lock(&tpgs_mutex);
	list_add_tail(&tpg->node, &tpgs);
	mutex_unlock(&tpgs_mutex);
}

/*
 * The TPG is about to be removed. No device is bound to it, because configfs does
 * not remove an item that target_depend_item() was called for.
 */
void vhost_scsi_tpg_hide(struct vhost_scsi_tpg *tpg)
{
	mutex_lock(&tpgs_mutex);
	list_del(&tpg->node);
	mutex_unlock(&tpgs_mutex);
}

/**
 * vhost_scsi_tpg_get - refer to a TPG
 * @se_tpg: only compared
 *
 * Context: process.
 * Return: ours, vhost_scsi_tpg_put() is owed; or NULL: it is none, or is going.
 */
struct vhost_scsi_tpg *vhost_scsi_tpg_get(const struct se_portal_group *se_tpg)
{
	struct vhost_scsi_tpg *tpg, *found = NULL;

	mutex_lock(&tpgs_mutex);
	list_for_each_entry(tpg, &tpgs, node)
		if (&tpg->tpg == se_tpg &&
		    config_item_get_unless_zero(&tpg->tpg.tpg_group.cg_item))
			found = tpg;
	mutex_unlock(&tpgs_mutex);
	return found;
}

/* No mutex of ours is held: it may be the last reference. */
void vhost_scsi_tpg_put(struct vhost_scsi_tpg *tpg)
{
	config_item_put(&tpg->tpg.tpg_group.cg_item);
}

static bool is_called(const struct vhost_scsi_tpg *tpg, const char *wwpn)
{
	/* LIO stores the name of an FC port without "fc."; accept both forms. */
	if (tpg->tport->proto == SCSI_PROTOCOL_FCP && !strncmp(wwpn, "fc.", 3))
		wwpn += 3;
	return !strcmp(tpg->tport->name, wwpn);
}

/* The number by which a guest will know the TPG. */
static u8 target_of(const struct vhost_scsi_tpg *tpg)
{
	s16 attr = READ_ONCE(tpg->target_attr);

	return attr < 0 ? tpg->tpgt : attr;
}

/*
 * Finds the TPGs of the port, and takes a reference to the configfs item of each. Return:
 * false: two of them are to have the same number.
 */
static bool find_tpgs(struct vhost_scsi_endpoint *ep)
{
	struct vhost_scsi_tpg *tpg, **slot;
	bool clear = true;

	mutex_lock(&tpgs_mutex);
	list_for_each_entry(tpg, &tpgs, node) {
		if (!is_called(tpg, ep->wwpn))
			continue;
		slot = &ep->tpgs[target_of(tpg)];
		/* "naa.X" is the name of fc.naa.X and of naa.X. Take the first. */
		if (*slot)
			clear &= (*slot)->tport != tpg->tport;
		else if (config_item_get_unless_zero(&tpg->tpg.tpg_group.cg_item))
			*slot = tpg;
	}
	mutex_unlock(&tpgs_mutex);
	return clear;
}

/*
 * The caller must be allowed to bind to all TPGs of the port, or it binds to none: a
 * guest that silently lacks the disks of one TPG is worse off than a guest that does
 * not start. The credentials are those of the caller and not of the opener, because
 * libvirt opens the file as root and passes it to QEMU.
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

/* Does LIO keep registrations for a nexus that is not there yet? Under RCU. */
static bool awaits_nexus(const struct vhost_scsi_tpg *tpg)
{
	const struct se_device *dev;
	const struct se_lun *lun;

	if (READ_ONCE(tpg->sess) || READ_ONCE(tpg->no_nexus))
		return false;
	hlist_for_each_entry_rcu(lun, &tpg->tpg.tpg_lun_hlist, link) {
		dev = rcu_dereference(lun->lun_se_dev);
		if (dev && !list_empty_careful(&dev->t10_pr.aptpl_reg_list))
			return true;
	}
	return false;
}

static struct vhost_scsi_tpg *get_awaiting_tpg(void)
{
	struct vhost_scsi_tpg *tpg, *found = NULL;

	mutex_lock(&tpgs_mutex);
	rcu_read_lock();
	list_for_each_entry(tpg, &tpgs, node) {
		if (awaits_nexus(tpg) &&
		    config_item_get_unless_zero(&tpg->tpg.tpg_group.cg_item)) {
			found = tpg;
			break;
		}
	}
	rcu_read_unlock();
	mutex_unlock(&tpgs_mutex);
	return found;
}

/*
 * After a reboot LIO has the registrations of APTPL when each nexus is made that they
 * are of, and a reservation counts from then on. So all of them are made before the
 * first guest can send a command: another one may hold a reservation against it.
 */
static int make_awaited_nexuses(void)
{
	struct vhost_scsi_tpg *tpg;
	int ret = 0;

	while (!ret) {
		tpg = get_awaiting_tpg();
		if (!tpg)
			break;
		mutex_lock(&tpg->mutex);
		ret = PTR_ERR_OR_ZERO(vhost_scsi_tpg_nexus(tpg));
		mutex_unlock(&tpg->mutex);
		/* It was written NULL meanwhile. */
		if (ret == -ENODEV)
			ret = 0;
		vhost_scsi_tpg_put(tpg);
	}
	return ret;
}

static void forget_tpgs(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++)
		if (ep->tpgs[i])
			config_item_put(&ep->tpgs[i]->tpg.tpg_group.cg_item);
}

static int claim_tpg(struct vhost_scsi_tpg *tpg, u8 target,
		     struct vhost_scsi_dev *dev, bool has_pi)
{
	struct se_session *sess;

	lockdep_assert_held(&tpg->mutex);
	if (tpg->dev)
		return -EBUSY;
	if (!tpg->tpg.enabled)
		return -ENODEV;
	sess = vhost_scsi_tpg_nexus(tpg);
	if (IS_ERR(sess))
		return PTR_ERR(sess);
	/*
	 * What LIO tells of protection information, and takes of it, depends on these.
	 * It has no command of the nexus now. All other work is left to it, such as
	 * to make what a guest lacks. What a backstore lacks pi.c makes.
	 */
	sess->sup_prot_ops = has_pi ? TARGET_PROT_DIN_PASS | TARGET_PROT_DOUT_PASS |
				      TARGET_PROT_DIN_INSERT : TARGET_PROT_NORMAL;
	sess->sess_prot_type = READ_ONCE(tpg->prot_type);
	tpg->dev = dev;
	tpg->target = target;
	tpg->owner = dev;
	tpg->binding = atomic64_inc_return(&bindings);
	return 0;
}

/*
 * Consumes the reference of find_tpgs(). Must not be called with a mutex of the module
 * held: target_depend_item() takes locks of configfs, and configfs holds these locks
 * when it calls the module.
 */
static int bind_tpg(struct vhost_scsi_tpg *tpg, u8 target,
		    struct vhost_scsi_dev *dev, bool has_pi)
{
	struct config_item *item = &tpg->tpg.tpg_group.cg_item;
	int ret;

	/* From now on the directory and its parents cannot be removed. */
	ret = target_depend_item(item);
	config_item_put(item);
	if (ret)
		return -ENODEV;
	vhost_scsi_tpg_number(tpg);

	mutex_lock(&tpg->mutex);
	ret = claim_tpg(tpg, target, dev, has_pi);
	mutex_unlock(&tpg->mutex);
	if (ret)
		target_undepend_item(item);
	else
		vhost_scsi_capacity_start(tpg);
	return ret;
}

/*
 * Reads the attributes once. Later changes of them do not concern the device that is
 * being bound.
 */
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
 * EDK2 looks for disks from target 0 on, and only as far as there is one at each
 * address (MdeModulePkg/Bus/Scsi/ScsiBusDxe). So where the port has no target 0, firmware
 * finds the first TPG there, too, unless its attrib/target was set. An operating system
 * has a control queue, and finds each disk once.
 */
static void show_as_target_0(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;

	for (i = 0; !ep->tpgs[i]; i++)
		;
	if (READ_ONCE(ep->tpgs[i]->target_attr) < 0)
		ep->tpgs[0] = ep->tpgs[i];
}

/*
 * A TPG that is being removed, has no nexus or is bound to another device is left
 * out. Any other error fails the whole call: with a TPG missing, the guest would take
 * LUNs that it has for removed.
 */
static bool is_fatal(int err)
{
	return err && err != -ENODEV && err != -EBUSY;
}

/**
 * vhost_scsi_endpoint_get - bind a device to all free TPGs of a port
 * @wwpn: the port
 * @dev: gets vhost_scsi_lun_event() until the endpoint is put
 * @has_pi: the guest sends and takes protection information
 * @firmware: the guest's driver is that of firmware: it has no control queue
 *
 * Context: may sleep.
 * Return: the endpoint, or an ERR_PTR. -EACCES: bind_uid of one of the TPGs is
 * another user. -EINVAL: two TPGs have the same target number. -ENODEV: there is no
 * such port, or none of its TPGs has a nexus. -EBUSY: other devices are bound to all
 * TPGs. -ENOMEM.
 */
struct vhost_scsi_endpoint *vhost_scsi_endpoint_get(const char *wwpn,
						    struct vhost_scsi_dev *dev,
						    bool has_pi, bool firmware)
{
	struct vhost_scsi_endpoint *ep;
	int ret = 0, err = -ENODEV;
	bool bound = false, has_0;
	unsigned int i;

	ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	if (!ep)
		return ERR_PTR(-ENOMEM);
	strscpy(ep->wwpn, wwpn, sizeof(ep->wwpn));

	ret = find_tpgs(ep) ? 0 : -EINVAL;
	/* One that another device has, or without a nexus, leaves its place empty. */
	has_0 = ep->tpgs[0];
	if (!ret && !may_bind(ep))
		ret = -EACCES;
	if (!ret)
		ret = make_awaited_nexuses();
	if (ret) {
		forget_tpgs(ep);
		kfree(ep);
		return ERR_PTR(ret);
	}
	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		if (!ep->tpgs[i])
			continue;
		if (is_fatal(ret))
			config_item_put(&ep->tpgs[i]->tpg.tpg_group.cg_item);
		else
			ret = bind_tpg(ep->tpgs[i], i, dev, has_pi);
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
	if (firmware && !has_0)
		show_as_target_0(ep);
	return ep;
}

/**
 * vhost_scsi_endpoint_luns - which LUNs there are
 * @ep: what a device is bound to
 *
 * Return: a number that is another one when LUNs have come or gone, and not 0.
 */
u64 vhost_scsi_endpoint_luns(const struct vhost_scsi_endpoint *ep)
{
	unsigned int i;
	u64 luns = 1;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++)
		if (vhost_scsi_endpoint_tpg(ep, i))
			luns += READ_ONCE(ep->tpgs[i]->changed);
	return luns;
}

/**
 * vhost_scsi_endpoint_put - release the TPGs
 * @ep: has no command and no task management function under way
 *
 * Context: may sleep.
 * Return: vhost_scsi_endpoint_luns(); of changes until then the device was told.
 */
u64 vhost_scsi_endpoint_put(struct vhost_scsi_endpoint *ep)
{
	unsigned int i;
	u64 luns = 1;

	for (i = 0; i < ARRAY_SIZE(ep->tpgs); i++) {
		struct vhost_scsi_tpg *tpg = vhost_scsi_endpoint_tpg(ep, i);

		if (!tpg)
			continue;
		mutex_lock(&tpg->mutex);
		luns += tpg->changed;
		tpg->dev = NULL;
		mutex_unlock(&tpg->mutex);
		target_undepend_item(&tpg->tpg.tpg_group.cg_item);
	}
	kfree(ep);
	return luns;
}

/* Ends SPC-2 reservations of the nexus. Return: there was one. */
static bool release_reservations(struct vhost_scsi_tpg *tpg)
{
	struct se_device *dev;
	struct se_lun *lun;
	bool any = false;

	/* The LUNs, and so their devices, stay linked. */
	mutex_lock(&tpg->tpg.tpg_lun_mutex);
	hlist_for_each_entry(lun, &tpg->tpg.tpg_lun_hlist, link) {
		dev = rcu_dereference_protected(lun->lun_se_dev,
						lockdep_is_held(&tpg->tpg.tpg_lun_mutex));
		if (!dev)
			continue;
		spin_lock(&dev->dev_reservation_lock);
		if (dev->reservation_holder == tpg->sess) {
			dev->reservation_holder = NULL;
			dev->dev_res_bin_isid = 0;
			dev->dev_reservation_flags &=
				~(DRF_SPC2_RESERVATIONS |
				  DRF_SPC2_RESERVATIONS_WITH_ISID);
			any = true;
		}
		spin_unlock(&dev->dev_reservation_lock);
	}
	mutex_unlock(&tpg->tpg.tpg_lun_mutex);
	return any;
}

/**
 * vhost_scsi_nexus_reset - I_T NEXUS RESET: its loss, as SAM-5, 7.5 and 6.3.4 have it
 * @tpg: bound, and no command of the nexus is under way that began before
 *
 * Context: may sleep.
 */
void vhost_scsi_nexus_reset(struct vhost_scsi_tpg *tpg)
{
	release_reservations(tpg);
	core_allocate_nexus_loss_ua(tpg->sess->se_node_acl);
}

static struct vhost_scsi_tpg *tpg_owned_by(const struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_tpg *tpg, *found = NULL;

	mutex_lock(&tpgs_mutex);
	list_for_each_entry(tpg, &tpgs, node) {
		if (READ_ONCE(tpg->owner) != dev ||
		    !config_item_get_unless_zero(&tpg->tpg.tpg_group.cg_item))
			continue;
		found = tpg;
		break;
	}
	mutex_unlock(&tpgs_mutex);
	return found;
}

/**
 * vhost_scsi_target_lost - a device is closed for good
 * @dev: the device; not bound
 *
 * That is the loss of its I_T nexuses (SAM-5, 6.3.4), unless others have been
 * bound to their target port groups since: a guest that moved keeps them. What a
 * nexus loses are its SPC-2 reservations; registrations stay, so a guest may come
 * back to them. Where it lost something its next guest hears of it.
 *
 * Not when an endpoint is given back: QEMU does that when a guest pauses and
 * when it resets, too.
 *
 * Context: may sleep.
 */
void vhost_scsi_target_lost(struct vhost_scsi_dev *dev)
{
	struct vhost_scsi_tpg *tpg;

	while ((tpg = tpg_owned_by(dev))) {
		mutex_lock(&tpg->mutex);
		if (tpg->owner == dev) {
			WRITE_ONCE(tpg->owner, NULL);
			if (tpg->sess && release_reservations(tpg))
				core_allocate_nexus_loss_ua(tpg->sess->se_node_acl);
		}
		mutex_unlock(&tpg->mutex);
		vhost_scsi_tpg_put(tpg);
	}
}

const char *vhost_scsi_endpoint_wwpn(const struct vhost_scsi_endpoint *ep)
{
	return ep->wwpn;
}

/**
 * vhost_scsi_endpoint_has - is there such a target
 * @ep: the endpoint
 * @target: its number; where the well known LUN of the device is meant, set to any
 * @lun: the LUN
 */
bool vhost_scsi_endpoint_has(const struct vhost_scsi_endpoint *ep, u8 *target,
			     u16 lun)
{
	unsigned int i;

	if (likely(ep->tpgs[*target]))
		return true;
	for (i = 0; lun == VHOST_SCSI_WLUN_DEVICE && i < ARRAY_SIZE(ep->tpgs); i++)
		if (ep->tpgs[i]) {
			*target = i;
			return true;
		}
	return false;
}

/**
 * vhost_scsi_endpoint_pins - must all guest memory be pinned
 * @ep: the endpoint
 *
 * Return: true if pin_memory of one of the TPGs was set when the device was bound.
 */
bool vhost_scsi_endpoint_pins(const struct vhost_scsi_endpoint *ep)
{
	return ep->pin_memory;
}

/**
 * vhost_scsi_endpoint_poll_us - how long a worker may poll an empty queue
 * @ep: the endpoint
 *
 * Return: microseconds, the largest poll_us of the TPGs when the device was bound.
 * 0: do not poll.
 */
u32 vhost_scsi_endpoint_poll_us(const struct vhost_scsi_endpoint *ep)
{
	return ep->poll_us;
}
