// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/config/target/vhost: ports, port groups, nexus, attributes.
 *
 * Copyright (C) 2026 vhost-lio developers
 */
#include <linux/configfs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/utsname.h>

#include "target.h"

static const struct {
	const char *prefix;
	u8 proto;
	bool strip;	/* LIO's name does not have the prefix */
} protocols[] = {
	{ "naa.", SCSI_PROTOCOL_SAS },
	{ "fc.", SCSI_PROTOCOL_FCP, true },
	{ "iqn.", SCSI_PROTOCOL_ISCSI },
};

/* LIO writes names to lines of a file (APTPL), and reads it by them. */
static bool is_one_word(const char *name)
{
	for (; *name; name++)
		if ((u8)*name <= ' ' || *name == 0x7f)
			return false;
	return true;
}

/* Returns the index in protocols[]. @bare: gets the name in LIO's form. */
static int parse_name(const char *name, const char **bare)
{
	int i;

	if (!is_one_word(name))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(protocols); i++) {
		size_t n = strlen(protocols[i].prefix);

		if (strncmp(name, protocols[i].prefix, n) || !name[n])
			continue;
		*bare = protocols[i].strip ? name + n : name;
		return i;
	}
	return -EINVAL;
}

/*
 * The nexus, with the initiator port from which commands come.
 *
 * rtslib makes a nexus with a random name for each TPG that shows none. Persistent
 * reservations of the former name are then lost. So a TPG has a default nexus, with a
 * name that is derived from the name of the port.
 */

static void default_nexus_name(const struct vhost_scsi_tpg *tpg, char *name,
			       size_t size)
{
	char *digit = name;

	if (tpg->tport->proto == SCSI_PROTOCOL_ISCSI) {
		snprintf(name, size, "%.200s:initiator", tpg->tport->name);
		return;
	}
	strscpy(name, tpg->tport->name, size);
	if (tpg->tport->proto == SCSI_PROTOCOL_SAS)
		digit += strlen("naa.");
	/* NAA 3h: locally assigned (SPC-5, 7.7.6.6.4). */
	if (*digit)
		*digit = *digit == '3' ? '2' : '3';
}

static struct se_session *nexus_create(struct vhost_scsi_tpg *tpg,
				       const char *name)
{
	struct se_session *sess;

	/*
	 * If there is no ACL for the name, this makes a dynamic one. Who is bound
	 * decides about protection information.
	 */
	sess = target_setup_session(&tpg->tpg, 0, 0, TARGET_PROT_NORMAL, name,
				    NULL, NULL);
	if (IS_ERR(sess)) {
		/* In demo mode -EACCES can only mean: no memory for the ACL. */
		return PTR_ERR(sess) == -EACCES ? ERR_PTR(-ENOMEM) : sess;
	}
	tpg->sess = sess;
	vhost_scsi_tpg_map_luns(tpg);
	return sess;
}

static void nexus_remove(struct vhost_scsi_tpg *tpg)
{
	struct se_session *sess = tpg->sess;

	/* The last command was answered, but LIO may still drop its references. */
	target_stop_session(sess);
	target_wait_for_sess_cmds(sess);
	tpg->sess = NULL;
	vhost_scsi_tpg_map_luns(tpg);
	target_remove_session(sess);
}

/**
 * vhost_scsi_tpg_nexus - get the nexus of a TPG, or make the default one
 * @tpg: with tpg->mutex held
 *
 * Return: the session, or an ERR_PTR. -ENODEV: the TPG must not have a nexus.
 */
struct se_session *vhost_scsi_tpg_nexus(struct vhost_scsi_tpg *tpg)
{
	char name[TRANSPORT_IQN_LEN];
	struct se_session *sess;

	lockdep_assert_held(&tpg->mutex);
	if (tpg->sess)
		return tpg->sess;
	if (tpg->no_nexus)
		return ERR_PTR(-ENODEV);
	default_nexus_name(tpg, name, sizeof(name));
	sess = nexus_create(tpg, name);
	if (!IS_ERR(sess))
		tpg->sess_is_default = true;
	return sess;
}

static int nexus_clear(struct vhost_scsi_tpg *tpg)
{
	if (!tpg->sess && tpg->no_nexus)
		return -ENODEV;
	if (tpg->dev || (tpg->sess && tpg->ports))
		return -EBUSY;
	if (tpg->sess)
		nexus_remove(tpg);
	tpg->no_nexus = true;
	return 0;
}

static int nexus_set(struct vhost_scsi_tpg *tpg, const char *name)
{
	struct se_session *sess;
	const char *bare;
	int i;

	i = parse_name(name, &bare);
	if (i < 0 || protocols[i].proto != tpg->tport->proto ||
	    strlen(bare) >= TRANSPORT_IQN_LEN)
		return -EINVAL;
	if (tpg->sess && !tpg->sess_is_default)
		return -EEXIST;
	if (tpg->dev)
		return -EBUSY;
	if (tpg->sess)
		nexus_remove(tpg);
	tpg->sess_is_default = false;

	sess = nexus_create(tpg, bare);
	return PTR_ERR_OR_ZERO(sess);
}

static ssize_t vhost_scsi_tpg_nexus_show(struct config_item *item, char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(to_tpg(item));
	char name[TRANSPORT_IQN_LEN];
	ssize_t ret = 0;

	mutex_lock(&tpg->mutex);
	if (tpg->sess)
		strscpy(name, tpg->sess->se_node_acl->initiatorname,
			sizeof(name));
	else if (tpg->no_nexus)
		ret = -ENODEV;
	else
		default_nexus_name(tpg, name, sizeof(name));
	mutex_unlock(&tpg->mutex);
	return ret ? ret : sysfs_emit(page, "%s\n", name);
}

static ssize_t vhost_scsi_tpg_nexus_store(struct config_item *item,
					  const char *page, size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(to_tpg(item));
	char *buf, *name;
	int ret;

	buf = kstrndup(page, count, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	name = strim(buf);

	mutex_lock(&tpg->mutex);
	if (!strcmp(name, "NULL"))
		ret = nexus_clear(tpg);
	else
		ret = nexus_set(tpg, name);
	mutex_unlock(&tpg->mutex);
	kfree(buf);
	return ret ? ret : count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_, nexus);

static struct configfs_attribute *tpg_attrs[] = {
	&vhost_scsi_tpg_attr_nexus,
	NULL,
};

/*
 * Attributes.
 */

static ssize_t
vhost_scsi_tpg_attrib_fabric_prot_type_show(struct config_item *item,
					    char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));

	return sysfs_emit(page, "%d\n", READ_ONCE(tpg->prot_type));
}

static ssize_t
vhost_scsi_tpg_attrib_fabric_prot_type_store(struct config_item *item,
					     const char *page, size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	unsigned int val;
	int ret;

	ret = kstrtouint(page, 0, &val);
	if (ret)
		return ret;
	/* Types of protection information; 0: none. */
	if (val != 0 && val != 1 && val != 3)
		return -EINVAL;
	WRITE_ONCE(tpg->prot_type, val);
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, fabric_prot_type);

static ssize_t vhost_scsi_tpg_attrib_bind_uid_show(struct config_item *item,
						   char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	kuid_t uid = READ_ONCE(tpg->bind_uid);

	if (!uid_valid(uid))
		return sysfs_emit(page, "-1\n");
	return sysfs_emit(page, "%u\n", from_kuid(&init_user_ns, uid));
}

static ssize_t vhost_scsi_tpg_attrib_bind_uid_store(struct config_item *item,
						    const char *page,
						    size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	kuid_t uid = INVALID_UID;
	s64 val;
	int ret;

	/* Only numbers, -1 included, because rtslib saves a number. */
	ret = kstrtos64(page, 0, &val);
	if (ret)
		return ret;
	if (val != -1) {
		if (val < 0 || val >= (uid_t)-1)
			return -EINVAL;
		/* The meaning of a saved number must not depend on who restores it. */
		uid = make_kuid(&init_user_ns, val);
	}
	WRITE_ONCE(tpg->bind_uid, uid);
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, bind_uid);

static ssize_t vhost_scsi_tpg_attrib_pin_memory_show(struct config_item *item,
						     char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));

	return sysfs_emit(page, "%d\n", READ_ONCE(tpg->pin_memory));
}

static ssize_t vhost_scsi_tpg_attrib_pin_memory_store(struct config_item *item,
						      const char *page,
						      size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	bool val;
	int ret;

	ret = kstrtobool(page, &val);
	if (ret)
		return ret;
	WRITE_ONCE(tpg->pin_memory, val);
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, pin_memory);

static ssize_t vhost_scsi_tpg_attrib_poll_us_show(struct config_item *item,
						  char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));

	return sysfs_emit(page, "%u\n", READ_ONCE(tpg->poll_us));
}

static ssize_t vhost_scsi_tpg_attrib_poll_us_store(struct config_item *item,
						   const char *page,
						   size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	u32 val;
	int ret;

	ret = kstrtou32(page, 0, &val);
	if (ret)
		return ret;
	if (val > VHOST_SCSI_MAX_POLL_US)
		return -EINVAL;
	WRITE_ONCE(tpg->poll_us, val);
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, poll_us);

static ssize_t vhost_scsi_tpg_attrib_target_show(struct config_item *item,
						 char *page)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));

	return sysfs_emit(page, "%d\n", READ_ONCE(tpg->target_attr));
}

static ssize_t vhost_scsi_tpg_attrib_target_store(struct config_item *item,
						  const char *page, size_t count)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(attrib_to_tpg(item));
	s16 val;
	int ret;

	ret = kstrtos16(page, 0, &val);
	if (ret)
		return ret;
	if (val < -1 || val >= VHOST_SCSI_MAX_TARGET)
		return -EINVAL;
	WRITE_ONCE(tpg->target_attr, val);
	return count;
}

CONFIGFS_ATTR(vhost_scsi_tpg_attrib_, target);

static struct configfs_attribute *tpg_attrib_attrs[] = {
	&vhost_scsi_tpg_attrib_attr_fabric_prot_type,
	&vhost_scsi_tpg_attrib_attr_bind_uid,
	&vhost_scsi_tpg_attrib_attr_pin_memory,
	&vhost_scsi_tpg_attrib_attr_poll_us,
	&vhost_scsi_tpg_attrib_attr_target,
	NULL,
};

/*
 * enable, which LIO has for fabrics that may be disabled; a port group is enabled
 * when it is made. What is disabled no device can be bound to.
 *
 * Since 6.2 LIO numbers target ports when they are enabled, and calls all others
 * port 0: multipath could not tell two paths. The directory has the attribute only
 * when make_tpg() has returned, so the number comes with the first LUN or device.
 */

/* One port group is numbered at a time; tpg->mutex is taken under it. */
static DEFINE_MUTEX(number_mutex);

static ssize_t write_enable(struct vhost_scsi_tpg *tpg, const char *text)
{
	struct config_item *item = &tpg->tpg.tpg_group.cg_item;
	struct configfs_attribute **attr;

	for (attr = item->ci_type->ct_attrs; *attr; attr++)
		if (!strcmp((*attr)->ca_name, "enable"))
			return (*attr)->store(item, text, strlen(text));
	return -ENOENT;
}

/*
 * LIO takes the number back before it asks whether the port group may be disabled, and
 * would give it to another one while this one goes on to tell it. So it is given it
 * once more.
 */
static void keep_number(struct vhost_scsi_tpg *tpg)
{
	bool manual = compat_port_set_manual(&tpg->tpg, true);

	tpg->tpg.enabled = false;
	if (write_enable(tpg, "1") < 0) {
		/* Another one has it already. */
		compat_port_set_manual(&tpg->tpg, false);
		write_enable(tpg, "1");
	}
	tpg->tpg.enabled = true;
	compat_port_set_manual(&tpg->tpg, manual);
}

static int enable_tpg(struct se_portal_group *se_tpg, bool enable)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(se_tpg);
	int ret;

	mutex_lock(&tpg->mutex);
	ret = !enable && tpg->dev ? -EBUSY : 0;
	mutex_unlock(&tpg->mutex);
	if (ret)
		keep_number(tpg);
	return ret;
}

/**
 * vhost_scsi_tpg_number - have LIO number the target port, if it has no number
 * @tpg: not bound: a bound one has a number; not with tpg->mutex held
 */
void vhost_scsi_tpg_number(struct vhost_scsi_tpg *tpg)
{
	mutex_lock(&number_mutex);
	if (!compat_port_has_number(&tpg->tpg) && tpg->tpg.enabled &&
	    write_enable(tpg, "0") > 0)
		write_enable(tpg, "1");
	mutex_unlock(&number_mutex);
}

static ssize_t vhost_scsi_wwn_version_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "vhost-lio %s on %s/%s\n",
			  utsname()->release, utsname()->sysname,
			  utsname()->machine);
}

CONFIGFS_ATTR_RO(vhost_scsi_wwn_, version);

static struct configfs_attribute *wwn_attrs[] = {
	&vhost_scsi_wwn_attr_version,
	NULL,
};

/*
 * Port groups and ports.
 */

static struct se_portal_group *make_tpg(struct se_wwn *wwn, const char *name)
{
	struct vhost_scsi_tport *tport;
	struct vhost_scsi_tpg *tpg;
	char canonical[16];
	u16 tpgt;
	int ret;

	tport = container_of(wwn, struct vhost_scsi_tport, wwn);
	if (strncmp(name, "tpgt_", 5) || kstrtou16(name + 5, 10, &tpgt) ||
	    tpgt >= VHOST_SCSI_MAX_TARGET)
		return ERR_PTR(-EINVAL);
	/* Refuse +1 and 01: each number has one directory. */
	snprintf(canonical, sizeof(canonical), "tpgt_%u", tpgt);
	if (strcmp(name, canonical))
		return ERR_PTR(-EINVAL);

	tpg = kzalloc(sizeof(*tpg), GFP_KERNEL);
	if (!tpg)
		return ERR_PTR(-ENOMEM);
	tpg->tport = tport;
	tpg->tpgt = tpgt;
	tpg->target_attr = -1;
	tpg->bind_uid = INVALID_UID;
	tpg->tpg.enabled = true;
	mutex_init(&tpg->mutex);
	vhost_scsi_capacity_init(tpg);
	ret = vhost_scsi_tpg_init_luns(tpg);
	if (ret)
		goto err_free;

	ret = core_tpg_register(wwn, &tpg->tpg, tport->proto);
	if (ret)
		goto err_luns;
	kref_get(&tport->users);
	vhost_scsi_tpg_publish(tpg);
	return &tpg->tpg;

err_luns:
	vhost_scsi_tpg_free_luns(tpg);
err_free:
	kfree(tpg);
	return ERR_PTR(ret);
}

static void tport_free(struct kref *kref)
{
	kfree(container_of(kref, struct vhost_scsi_tport, users));
}

static void drop_tpg(struct se_portal_group *se_tpg)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(se_tpg);

	vhost_scsi_tpg_hide(tpg);
	vhost_scsi_capacity_stop(tpg);
	mutex_lock(&tpg->mutex);
	if (tpg->sess)
		nexus_remove(tpg);
	mutex_unlock(&tpg->mutex);
	vhost_scsi_tpg_free_luns(tpg);
	core_tpg_deregister(se_tpg);
	kref_put(&tpg->tport->users, tport_free);
	kfree(tpg);
}

/* Tells the guest, by its own numbers: an ACL may have others than the TPG. */
static void lun_changed(struct vhost_scsi_tpg *tpg, const struct se_lun *lun,
			bool added)
{
	static atomic64_t changes;
	u64 nr;

	lockdep_assert_held(&tpg->mutex);
	tpg->changed = atomic64_inc_return(&changes);
	if (!tpg->dev)
		return;
	for (nr = 0; vhost_scsi_next_number(tpg, lun, &nr); nr++)
		/* A guest cannot address higher numbers. */
		if (nr <= VHOST_SCSI_MAX_LUN)
			vhost_scsi_lun_event(tpg->dev, tpg->target, nr,
					     added ? VHOST_SCSI_LUN_ADDED :
						     VHOST_SCSI_LUN_REMOVED);
}

static int post_link(struct se_portal_group *se_tpg, struct se_lun *lun)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(se_tpg);

	vhost_scsi_tpg_number(tpg);
	vhost_scsi_turn_linked(lun);
	mutex_lock(&tpg->mutex);
	tpg->ports++;
	vhost_scsi_tpg_add_lun(tpg, lun);
	lun_changed(tpg, lun, true);
	mutex_unlock(&tpg->mutex);
	return 0;
}

static void pre_unlink(struct se_portal_group *se_tpg, struct se_lun *lun)
{
	struct vhost_scsi_tpg *tpg = vhost_scsi_tpg(se_tpg);

	mutex_lock(&tpg->mutex);
	tpg->ports--;
	vhost_scsi_tpg_remove_lun(tpg, lun->unpacked_lun);
	lun_changed(tpg, lun, false);
	mutex_unlock(&tpg->mutex);
	vhost_scsi_turn_leave(lun);
}

static struct se_wwn *make_wwn(struct target_fabric_configfs *tf,
			       struct config_group *group, const char *name)
{
	struct vhost_scsi_tport *tport;
	const char *bare;
	int i;

	i = parse_name(name, &bare);
	if (i < 0)
		return ERR_PTR(i);
	if (strlen(bare) >= sizeof(tport->name))
		return ERR_PTR(-EINVAL);

	tport = kzalloc(sizeof(*tport), GFP_KERNEL);
	if (!tport)
		return ERR_PTR(-ENOMEM);
	kref_init(&tport->users);
	tport->proto = protocols[i].proto;
	strscpy(tport->name, bare, sizeof(tport->name));
	return &tport->wwn;
}

static void drop_wwn(struct se_wwn *wwn)
{
	struct vhost_scsi_tport *tport;

	tport = container_of(wwn, struct vhost_scsi_tport, wwn);
	kref_put(&tport->users, tport_free);
}

/*
 * The operations that LIO requires of a fabric.
 */

static char *get_wwn(struct se_portal_group *se_tpg)
{
	return vhost_scsi_tpg(se_tpg)->tport->name;
}

static u16 get_tag(struct se_portal_group *se_tpg)
{
	return vhost_scsi_tpg(se_tpg)->tpgt;
}

static u32 get_index(struct se_portal_group *se_tpg)
{
	return 1;
}

static u32 get_sess_index(struct se_session *sess)
{
	return 0;
}

/* Demo mode: an initiator without an ACL sees every LUN and may write. */
static int check_yes(struct se_portal_group *se_tpg)
{
	return 1;
}

static int check_no(struct se_portal_group *se_tpg)
{
	return 0;
}

/* The guest's data is already in memory. */
static int write_pending(struct se_cmd *se_cmd)
{
	target_execute_cmd(se_cmd);
	return 0;
}

/* The guest is answered in release_cmd(), see fabric.c. */
static int queue_nothing(struct se_cmd *se_cmd)
{
	return 0;
}

static int check_stop_free(struct se_cmd *se_cmd)
{
	return target_put_sess_cmd(se_cmd);
}

static int get_cmd_state(struct se_cmd *se_cmd)
{
	return 0;
}

static void set_default_node_attributes(struct se_node_acl *nacl)
{
}

const struct target_core_fabric_ops vhost_scsi_fabric_ops = {
	.module = THIS_MODULE,
	.fabric_name = "vhost",
	VHOST_SCSI_DIRECT_SUBMIT
	VHOST_SCSI_DIRECT_COMPL
	.max_data_sg_nents = VHOST_SCSI_MAX_DATA >> PAGE_SHIFT,

	.tpg_get_wwn = get_wwn,
	.tpg_get_tag = get_tag,
	.tpg_get_inst_index = get_index,
	.tpg_check_demo_mode = check_yes,
	.tpg_check_demo_mode_cache = check_yes,
	.tpg_check_demo_mode_write_protect = check_no,
	.tpg_check_prod_mode_write_protect = check_no,
	.sess_get_index = get_sess_index,
	.set_default_node_attributes = set_default_node_attributes,

	.write_pending = write_pending,
	.queue_data_in = queue_nothing,
	.queue_status = vhost_scsi_fabric_queue_status,
	.queue_tm_rsp = vhost_scsi_fabric_queue_tm_rsp,
	.aborted_task = vhost_scsi_fabric_aborted_task,
	.check_stop_free = check_stop_free,
	.release_cmd = vhost_scsi_fabric_release_cmd,
	.get_cmd_state = get_cmd_state,

	.fabric_make_wwn = make_wwn,
	.fabric_drop_wwn = drop_wwn,
	.fabric_make_tpg = make_tpg,
	.fabric_enable_tpg = enable_tpg,
	.fabric_drop_tpg = drop_tpg,
	.fabric_post_link = post_link,
	.fabric_pre_unlink = pre_unlink,

	.tfc_wwn_attrs = wwn_attrs,
	.tfc_tpg_base_attrs = tpg_attrs,
	.tfc_tpg_attrib_attrs = tpg_attrib_attrs,
};

int vhost_scsi_target_register(void)
{
	int ret;

	ret = vhost_scsi_fabric_setup();
	if (ret)
		return ret;
	ret = vhost_scsi_turns_init();
	if (ret)
		goto fabric;
	ret = vhost_scsi_fences_init();
	if (ret)
		goto turns;
	ret = target_register_template(&vhost_scsi_fabric_ops);
	if (!ret)
		return 0;
	vhost_scsi_fences_exit();
turns:
	vhost_scsi_turns_exit();
fabric:
	vhost_scsi_fabric_cleanup();
	return ret;
}

void vhost_scsi_target_unregister(void)
{
	target_unregister_template(&vhost_scsi_fabric_ops);
	vhost_scsi_fences_exit();
	vhost_scsi_turns_exit();
	vhost_scsi_fabric_cleanup();
}
