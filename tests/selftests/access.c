// SPDX-License-Identifier: GPL-2.0-only
/* Proves: attrib/bind_uid decides who may bind a device to a port. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define ANYBODY "-1"
#define USER 1234
#define USER_TEXT "1234"
#define OTHER 1235
#define OTHER_TEXT "1235"
#define NO_USER_NS 254

int suite_setup(void)
{
	return lio_suite("ramdisk a 4; tpg " WWN_A " 1; lun " WWN_A
			 " 1 0 a; tpg " WWN_A " 2; tpg " WWN_B " 1");
}

void suite_teardown(void)
{
	lio_suite_end();
}

static int set_uid(const char *tpg, const char *value)
{
	return lio_write(value, "vhost/%s/attrib/bind_uid", tpg);
}

/**
 * struct caller - who calls SET_ENDPOINT; root opened the file
 * @uid: user, as root sees it
 * @no_override: without CAP_DAC_OVERRIDE
 * @user_ns: as root of a user namespace
 */
struct caller {
	uid_t uid;
	bool no_override;
	bool user_ns;
};

static int drop_override(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_DAC_OVERRIDE);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static int enter_user_ns(uid_t uid)
{
	char map[32];
	int fd, ret = 0;

	if (unshare(CLONE_NEWUSER))
		return -errno;
	/* Who changed users may not write to files of its own in /proc. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	fd = open("/proc/self/uid_map", O_WRONLY);
	if (fd < 0 || write(fd, map, strlen(map)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int become(const struct caller *caller)
{
	if (caller->uid && setresuid(caller->uid, caller->uid, caller->uid))
		return -errno;
	if (caller->user_ns && (enter_user_ns(caller->uid) || getuid()))
		_exit(NO_USER_NS);
	return caller->no_override ? drop_override() : 0;
}

/* In a process of its own, for there is no way back. Return: an errno. */
static int bind_as(const struct caller *caller, const char *wwn)
{
	struct vsg_dev *dev;
	int ret, status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		ret = vsg_open(&dev, NULL);
		if (!ret)
			ret = become(caller);
		if (!ret)
			ret = vsg_start(dev, wwn);
		if (!ret)
			ret = vsg_stop(dev);
		_exit(-ret);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

FIXTURE(ports)
{
	bool unused;
};

FIXTURE_SETUP(ports)
{
	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_1", ANYBODY));
	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_2", ANYBODY));
	ASSERT_EQ(0, set_uid(WWN_B "/tpgt_1", ANYBODY));
}

FIXTURE_TEARDOWN(ports)
{
}

TEST_F(ports, who_may_bind)
{
	const struct {
		const char *what;
		const char *uid;
		struct caller caller;
		int err;
	} rows[] = {
		{ "anybody", ANYBODY, { .uid = USER }, 0 },
		{ "the user", USER_TEXT, { .uid = USER }, 0 },
		{ "another user", USER_TEXT, { .uid = OTHER }, EACCES },
		{ "root", USER_TEXT, { .uid = 0 }, 0 },
		{ "root without CAP_DAC_OVERRIDE", USER_TEXT,
		  { .uid = 0, .no_override = true }, EACCES },
		{ "root's own, without CAP_DAC_OVERRIDE", "0",
		  { .uid = 0, .no_override = true }, 0 },
		{ "root's, a user", "0", { .uid = USER }, EACCES },
		{ "the greatest uid, a user", "4294967294", { .uid = USER },
		  EACCES },
		{ "the greatest uid", "4294967294", { .uid = 4294967294u }, 0 },
		{ "anybody again", ANYBODY, { .uid = OTHER }, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		WHERE("%s", rows[i].what);
		ASSERT_EQ(0, set_uid(WWN_B "/tpgt_1", rows[i].uid));
		EXPECT_EQ(rows[i].err, bind_as(&rows[i].caller, WWN_B));
	}
}

/* Its uids and capabilities are worth nothing outside of it. */
TEST_F(ports, root_of_a_user_namespace)
{
	const struct caller caller = { .uid = USER, .user_ns = true };
	int ret;

	ret = bind_as(&caller, WWN_B);
	if (ret == NO_USER_NS)
		SKIP("no user namespaces on this machine");
	EXPECT_EQ(0, ret);
	WHERE("bind_uid 0");
	ASSERT_EQ(0, set_uid(WWN_B "/tpgt_1", "0"));
	EXPECT_EQ(EACCES, bind_as(&caller, WWN_B));
	WHERE("bind_uid of its user outside");
	ASSERT_EQ(0, set_uid(WWN_B "/tpgt_1", USER_TEXT));
	EXPECT_EQ(0, bind_as(&caller, WWN_B));
	WHERE("bind_uid of another user");
	ASSERT_EQ(0, set_uid(WWN_B "/tpgt_1", OTHER_TEXT));
	EXPECT_EQ(EACCES, bind_as(&caller, WWN_B));
}

/* A guest has all port groups of the port that are free, or none. */
TEST_F(ports, one_group_refuses_for_all)
{
	const struct caller user = { .uid = USER }, other = { .uid = OTHER };
	struct vsg_dev *dev;

	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_2", USER_TEXT));
	WHERE("the first is for anybody, the second for the user");
	EXPECT_EQ(0, bind_as(&user, WWN_A));
	EXPECT_EQ(EACCES, bind_as(&other, WWN_A));

	WHERE("each is for another user");
	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_1", OTHER_TEXT));
	EXPECT_EQ(EACCES, bind_as(&user, WWN_A));
	EXPECT_EQ(EACCES, bind_as(&other, WWN_A));

	WHERE("nothing stays bound after it was refused");
	dev = guest(WWN_A, NULL);
	WHERE("refused rather than busy");
	EXPECT_EQ(EACCES, bind_as(&user, WWN_A));
	WHERE("busy, once it is not refused");
	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_1", USER_TEXT));
	EXPECT_EQ(EBUSY, bind_as(&user, WWN_A));
	guest_end(dev);
}

TEST_F(ports, who_is_bound_stays)
{
	const struct caller other = { .uid = OTHER };
	struct vsg_dev *dev;
	struct vsg_req *req;

	dev = guest(WWN_A, NULL);
	ready(vsg_io(dev, 0), 1, 0);
	ASSERT_EQ(0, set_uid(WWN_A "/tpgt_1", USER_TEXT));
	req = request(dev, 0, 0);
	vsg_cmd_tur(req, 1, 0);
	exec_good(vsg_io(dev, 0), req);
	vsg_req_free(req);
	guest_end(dev);
	WHERE("the next one");
	EXPECT_EQ(EACCES, bind_as(&other, WWN_A));
}

/* The reference to a port group that was refused is given back. */
TEST_F(ports, refused_group_can_be_removed)
{
	const struct caller other = { .uid = OTHER };

	ASSERT_EQ(0, lio("tpg " WWN_B " 2"));
	ASSERT_EQ(0, set_uid(WWN_B "/tpgt_2", USER_TEXT));
	EXPECT_EQ(EACCES, bind_as(&other, WWN_B));
	EXPECT_EQ(0, lio("droptpg " WWN_B " 2"));
	WHERE("one that is made again is for anybody");
	ASSERT_EQ(0, lio("tpg " WWN_B " 2"));
	EXPECT_EQ(0, bind_as(&other, WWN_B));
	EXPECT_EQ(0, lio("droptpg " WWN_B " 2"));
}
