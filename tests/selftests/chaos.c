// SPDX-License-Identifier: GPL-2.0-only
/* Proves: guests get correct answers whatever changes around them, and nothing is left behind. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"
#include "files.h"
#include "left.h"

#define PARAMETERS "/sys/module/vhost_scsi/parameters"

#define SCRATCH LIO_WWN "0021"
#define SCRATCH_NEXUS LIO_WWN "0022"
#define VISITS 3	/* writes and reads of one that binds to it */

static pid_t pids[GUESTS];
static unsigned int lives[GUESTS];

int suite_setup(void)
{
	unsigned int i, k;
	int ret;

	chaos = mmap(NULL, sizeof(*chaos), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chaos == MAP_FAILED)
		return -1;
	ret = lio_suite("ramdisk ram 16; fileio file 16; delayed scratch 4 60 60");
	for (i = 0; i < GUESTS && !ret; i++) {
		const char *wwn = guest_wwn(i);

		ret = lio("hangable disk%u 16\n"
			  "ramdisk hota%u 16; block hotb%u 16 100000\n"
			  "tpg %s 1; lun %s 1 0 ram; lun %s 1 1 file\n"
			  "lun %s 1 2 disk%u\n",
			  i, i, i, wwn, wwn, wwn, wwn, i);
		for (k = 0; k < LUN_HOT; k++)
			atomic_fetch_add(&chaos->guest[i].changes, 1);
	}
	return ret;
}

static void parameters_default(void)
{
	write_file(PARAMETERS "/max_io_vqs", "128");
	write_file(PARAMETERS "/inline_sg_cnt", "8");
}

void suite_teardown(void)
{
	parameters_default();
	lio_suite_end();
}

/* ---- a port that comes and goes ----------------------------------------- */

static bool stopped(void)
{
	return atomic_load(&chaos->stop);
}

static void *scratch_thread(void *arg)
{
	struct chance c;
	int64_t end;

	chance_init(&c, 400, 0);
	while (!stopped()) {
		int ret = lio("acl " SCRATCH " 1 " SCRATCH_NEXUS "\n"
			      "tpg " SCRATCH " 1 " SCRATCH_NEXUS "\n"
			      "lun " SCRATCH " 1 5 scratch\n"
			      "map " SCRATCH " 1 " SCRATCH_NEXUS " 0 5");

		/* Somebody may be bound before it has all that it is to have. */
		if (ret && ret != -EBUSY)
			t_fail(__FILE__, __LINE__, "making a port: %d", ret);
		usleep(chance_below(&c, 150000));
		/* The LUN goes at once, the port when nobody is bound to it. */
		end = vsg_now_ms() + WAIT_MS;
		ret = lio("dropwwn " SCRATCH);
		EXPECT_EQ(0, lio("again scratch"));
		while (ret == -EBUSY && vsg_now_ms() < end) {
			usleep(1000);
			ret = lio("dropwwn " SCRATCH);
		}
		if (ret) {
			t_fail(__FILE__, __LINE__, "removing a port: %d", ret);
			break;
		}
	}
	return NULL;
}

/* Writes and reads back; the LUN may go at any time. */
static void visit(struct vsg_dev *dev, uint32_t seed)
{
	struct vsg_ring *r = vsg_io(dev, 0);
	struct vsg_req *req = vsg_req_alloc(dev, BLOCK, BLOCK, 0);
	unsigned int i;

	for (i = 0; req && i < VISITS; i++) {
		bool good;

		vsg_pattern(req->data_out, BLOCK, 0, seed + i);
		vsg_cmd_rw(req, TARGET, 0, true, 0, 1, BLOCK);
		if (vsg_exec(r, req, WAIT_MS))
			break;
		good = vsg_good(req);
		vsg_cmd_rw(req, TARGET, 0, false, 0, 1, BLOCK);
		memset(req->data_in, VSG_POISON, BLOCK);
		if (vsg_exec(r, req, WAIT_MS))
			break;
		if (good && vsg_good(req))
			EXPECT_EQ(-1, vsg_pattern_check(req->data_in, BLOCK, 0,
							seed + i));
	}
	EXPECT_EQ(VISITS, i);
	if (i == VISITS)
		vsg_req_free(req);
}

static void *visitor_thread(void *arg)
{
	struct vsg_opts opts = { .ring_size = 16, .mem_size = 1 << 20 };
	unsigned long *bound = arg;
	struct vsg_dev *dev;
	struct chance c;
	int ret;

	chance_init(&c, 500, 0);
	while (!stopped()) {
		ret = vsg_open(&dev, &opts);
		if (ret) {
			t_fail(__FILE__, __LINE__, "open: %d", ret);
			break;
		}
		ret = vsg_start(dev, SCRATCH);
		if (!ret) {
			++*bound;
			visit(dev, chance_bits(&c));
			if (chance_one_in(&c, 2))
				EXPECT_EQ(0, vsg_stop(dev));
			EXPECT_EQ(0, vsg_errors(dev));
		} else if (ret != -ENODEV && ret != -EBUSY) {
			t_fail(__FILE__, __LINE__, "start: %d", ret);
		}
		vsg_close(dev);
		usleep(chance_below(&c, 10000));
	}
	return NULL;
}

/* ---- guests that are killed --------------------------------------------- */

static void guest_begin(unsigned int i)
{
	pids[i] = fork();
	if (!pids[i])
		guest_run(i, lives[i]);
	lives[i]++;
}

/* Waits for a guest's process; returns its exit status, -1 for a signal. */
static int guest_wait(unsigned int i, int64_t ms)
{
	int64_t end = vsg_now_ms() + ms;
	int status;

	while (!waitpid(pids[i], &status, WNOHANG)) {
		if (vsg_now_ms() > end) {
			t_fail(__FILE__, __LINE__,
			       "guest %u does not end, %s", i,
			       chaos->guest[i].doing);
			return -1;
		}
		usleep(2000);
	}
	pids[i] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void end_cause(struct cause *cause)
{
	if (atomic_load(&cause->from) > atomic_load(&cause->until))
		cause_end(cause);
}

/* It dies at once, also while its disk hangs, which goes on after a while. */
static void guest_kill(unsigned int i, struct chance *c)
{
	struct record *g = &chaos->guest[i];

	kill(pids[i], SIGKILL);
	guest_wait(i, WAIT_MS);
	usleep(chance_below(c, 100000));
	EXPECT_EQ(0, lio("unhang disk%u; heal disk%u 16", i, i));
	end_cause(&g->hung);
	end_cause(&g->broken);
}

static bool all_live(void)
{
	unsigned int i;

	for (i = 0; i < GUESTS; i++)
		if (waitpid(pids[i], NULL, WNOHANG)) {
			t_fail(__FILE__, __LINE__, "guest %u has died, %s", i,
			       chaos->guest[i].doing);
			pids[i] = 0;
			return false;
		}
	return true;
}

/* None takes longer for a disturbance than all its waits may. */
static bool all_go_on(void)
{
	static unsigned long last[GUESTS];
	static int64_t since[GUESTS];
	unsigned int i;

	for (i = 0; i < GUESTS; i++) {
		unsigned long now = atomic_load(&chaos->guest[i].disturbed) +
				    lives[i];

		if (now != last[i] || !since[i]) {
			last[i] = now;
			since[i] = vsg_now_ms();
		} else if (vsg_now_ms() - since[i] > 4 * WAIT_MS) {
			t_fail(__FILE__, __LINE__, "guest %u is stuck, %s", i,
			       chaos->guest[i].doing);
			return false;
		}
	}
	return true;
}

static void change_parameters(struct chance *c)
{
	static const char *const vqs[] = { "2", "16", "128", "1024" };
	static const char *const sgs[] = { "0", "8", "4096" };

	EXPECT_EQ(0, write_file(PARAMETERS "/max_io_vqs",
				vqs[chance_below(c, ARRAY_SIZE(vqs))]));
	EXPECT_EQ(0, write_file(PARAMETERS "/inline_sg_cnt",
				sgs[chance_below(c, ARRAY_SIZE(sgs))]));
}

static void report(unsigned long visits)
{
	unsigned int i;

	for (i = 0; i < GUESTS; i++) {
		struct record *g = &chaos->guest[i];

		printf("# guest %u: %u lives, %lu disturbances, %lu and %lu good, %lu failed\n",
		       i, lives[i], atomic_load(&g->disturbed),
		       atomic_load(&g->good[0]), atomic_load(&g->good[1]),
		       atomic_load(&g->failed));
		EXPECT_LE(1, atomic_load(&g->disturbed));
	}
	printf("# %lu visits to a port that comes and goes\n", visits);
	EXPECT_LE(1, visits);
}

static bool all_disturbed(void)
{
	unsigned int i;

	for (i = 0; i < GUESTS; i++)
		if (!atomic_load(&chaos->guest[i].disturbed))
			return false;
	return true;
}

static void run_guests(void)
{
	int64_t end = vsg_now_ms() + chance_ms(7);
	/* On a busy machine some guest may not have had its turn. */
	int64_t late = end + WAIT_MS;
	struct chance c;
	unsigned int i;

	chance_init(&c, 600, 0);
	for (i = 0; i < GUESTS; i++)
		guest_begin(i);
	while ((vsg_now_ms() < end ||
		(vsg_now_ms() < late && !all_disturbed())) &&
	       !stopped() && all_live() && all_go_on()) {
		usleep(chance_below(&c, 1500000));
		i = chance_below(&c, GUESTS);
		change_parameters(&c);
		if (chance_one_in(&c, 2) && all_live()) {
			guest_kill(i, &c);
			guest_begin(i);
		}
	}
	atomic_store(&chaos->stop, true);
	for (i = 0; i < GUESTS; i++)
		if (pids[i])
			EXPECT_EQ(0, guest_wait(i, 6 * WAIT_MS));
}

static int count_one(const char *dir, const char *name)
{
	printf("# %s/%s is left\n", dir, name);
	return 1;
}

TEST_TIMEOUT(disturbances_by_chance, 120)
{
	pthread_t scratch, visitor;
	unsigned long visits = 0;
	struct left before;

	chance_seed();
	left_note(&before);
	ASSERT_EQ(0, pthread_create(&scratch, NULL, scratch_thread, NULL));
	ASSERT_EQ(0, pthread_create(&visitor, NULL, visitor_thread, &visits));
	run_guests();
	pthread_join(scratch, NULL);
	pthread_join(visitor, NULL);
	report(visits);
	parameters_default();
	left_check(&before);
	WHERE("at the end");
	EXPECT_EQ(0, lio("cleanup"));
	EXPECT_EQ(0, for_each(LIO_ROOT "/vhost", LIO_WWN, count_one));
}

static int module_insert(void)
{
	const char *path = getenv("VHOST_SCSI_KO");
	int fd, ret;

	if (!path)
		return load_module("vhost_scsi", NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

TEST(module_goes_afterwards)
{
	int64_t end = vsg_now_ms() + WAIT_MS;
	int ret;

	EXPECT_EQ(0, lio("cleanup"));
	EXPECT_EQ(0, lio_rmdir("vhost"));
	do {
		ret = syscall(SYS_delete_module, "vhost_scsi", O_NONBLOCK) ?
		      -errno : 0;
		if (ret)
			usleep(20000);
	} while (ret == -EAGAIN && vsg_now_ms() < end);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, ret ? 0 : module_insert());
	EXPECT_EQ(0, lio("init"));
}
