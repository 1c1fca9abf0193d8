// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "see.h"
#include "support.h"

int lio_suite(const char *script)
{
	if (geteuid())
		return SUITE_SKIP("needs root");
	if (lio("init"))
		return SUITE_SKIP("no vhost-scsi on this machine");
	return lio("cleanup; %s", script);
}

void lio_suite_end(void)
{
	if (lio("cleanup"))
		printf("# cleanup left something behind\n");
}

struct vsg_dev *guest(const char *wwn, const struct vsg_opts *opts)
{
	struct vsg_dev *dev;

	ASSERT_EQ(0, vsg_open(&dev, opts));
	ASSERT_EQ(0, vsg_start(dev, wwn));
	return dev;
}

void guest_end(struct vsg_dev *dev)
{
	unsigned int i;

	if (!dev)
		return;
	if (*dev->wwpn) {
		EXPECT_EQ(0, see_sums(dev));
		EXPECT_EQ(0, vsg_stop(dev));
	}
	for (i = 0; i < dev->nr_rings; i++) {
		WHERE("ring %u at the end", i);
		EXPECT_EQ(0, dev->ring[i].errors.unknown);
		EXPECT_EQ(0, dev->ring[i].errors.overrun);
		EXPECT_EQ(0, dev->ring[i].errors.lost_call);
	}
	vsg_close(dev);
}

struct vsg_req *request(struct vsg_dev *dev, size_t out, size_t in)
{
	struct vsg_req *req = vsg_req_alloc(dev, out, in, 0);

	ASSERT_TRUE(req);
	return req;
}

struct vsg_result exec(struct vsg_ring *r, struct vsg_req *req)
{
	ASSERT_EQ(0, vsg_exec(r, req, WAIT_MS));
	return vsg_result(req);
}

void exec_good(struct vsg_ring *r, struct vsg_req *req)
{
	struct vsg_result res = exec(r, req);

	EXPECT_EQ(VIRTIO_SCSI_S_OK, res.response);
	EXPECT_EQ(VSG_GOOD, res.status);
	EXPECT_EQ(0, res.resid);
	EXPECT_EQ(0, res.sense_len);
	EXPECT_EQ(VSG_RESP_LEN + req->in_len, req->tok.len);
}

void ready(struct vsg_ring *r, uint8_t target, uint16_t lun)
{
	struct vsg_req *req = request(r->dev, 0, 0);
	int ret = vsg_clear_ua(r, req, target, lun, WAIT_MS);
	struct vsg_result res;

	if (ret == -EIO) {
		res = vsg_result(req);
		printf("# target %u, LUN %u: response %u, status %#x, sense key %d, ASC %#x\n",
		       target, lun, res.response, res.status, res.key, res.asc);
	}
	ASSERT_EQ(0, ret);
	vsg_req_free(req);
}

void write_pattern(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		   uint16_t lun, uint64_t lba, uint32_t blocks, uint32_t seed)
{
	vsg_pattern(req->data_out, (size_t)blocks * BLOCK, lba * BLOCK, seed);
	vsg_cmd_rw(req, target, lun, true, lba, blocks, BLOCK);
	exec_good(r, req);
}

void check_pattern(struct vsg_ring *r, struct vsg_req *req, uint8_t target,
		   uint16_t lun, uint64_t lba, uint32_t blocks, uint32_t seed)
{
	size_t len = (size_t)blocks * BLOCK;

	memset(req->data_in, VSG_POISON, len);
	vsg_cmd_rw(req, target, lun, false, lba, blocks, BLOCK);
	exec_good(r, req);
	EXPECT_EQ(-1, vsg_pattern_check(req->data_in, len, lba * BLOCK, seed));
}

long long stat_value(const char *file, const char *name)
{
	char line[256], key[128];
	long long value = -1, v;
	FILE *f = fopen(file, "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%127[^: ]%*[: ]%lld", key, &v) == 2 &&
		    !strcmp(key, name))
			value = v;
	}
	fclose(f);
	return value;
}

bool kernel_is_since(unsigned int major, unsigned int minor)
{
	unsigned int is_major, is_minor;
	struct utsname host;

	return !uname(&host) &&
	       sscanf(host.release, "%u.%u", &is_major, &is_minor) == 2 &&
	       (is_major > major || (is_major == major && is_minor >= minor));
}

bool memory_is_tracked(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* Adds to the @n threads in @tids those of @pid; @tids has room for @max. */
static int tasks_named(const char *pid, const char *prefix, pid_t *tids,
		       int max, int n)
{
	char path[PATH_MAX], comm[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		return n;
	while ((e = readdir(dir))) {
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%s/comm", pid,
			 e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, prefix, strlen(prefix))) {
			if (n < max)
				tids[n] = atoi(e->d_name);
			n++;
		}
		fclose(f);
	}
	closedir(dir);
	return n;
}

int threads_named(const char *prefix, pid_t *tids, int max)
{
	struct dirent *e;
	DIR *dir = opendir("/proc");
	int n = 0;

	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			n = tasks_named(e->d_name, prefix, tids, max, n);
	closedir(dir);
	return n;
}

int thread_count(const char *prefix)
{
	return threads_named(prefix, NULL, 0);
}

int own_thread_count(const char *prefix)
{
	return tasks_named("self", prefix, NULL, 0, 0);
}

#define THROTTLE "/proc/sys/kernel/sched_rt_runtime_us"

static void on_processor_1(pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(1, &set);
	EXPECT_EQ(0, sched_setaffinity(tid, sizeof(set), &set));
}

static void *hog_run(void *arg)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	struct hog *hog = arg;

	on_processor_1(0);
	EXPECT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &fifo));
	__atomic_store_n(&hog->runs, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&hog->stop, __ATOMIC_RELAXED))
		;
	return NULL;
}

bool hog_possible(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) >= 2 && access("/sys/kernel/realtime", F_OK);
}

void hog_start(struct hog *hog, pid_t tid)
{
	on_processor_1(tid);
	ASSERT_EQ(0, read_file(THROTTLE, hog->throttle, sizeof(hog->throttle)));
	ASSERT_EQ(0, write_file(THROTTLE, "-1"));
	hog->runs = false;
	hog->stop = false;
	ASSERT_EQ(0, pthread_create(&hog->thread, NULL, hog_run, hog));
	while (!__atomic_load_n(&hog->runs, __ATOMIC_RELAXED))
		usleep(1000);
}

void hog_end(struct hog *hog)
{
	__atomic_store_n(&hog->stop, true, __ATOMIC_RELAXED);
	pthread_join(hog->thread, NULL);
	EXPECT_EQ(0, write_file(THROTTLE, hog->throttle));
}

int huge_pages(void *p, size_t size, bool may)
{
	if (!madvise(p, size, may ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return 0;
	return errno == EINVAL && access("/sys/kernel/mm/transparent_hugepage", F_OK) ? 0 : -1;
}

bool have_vhost_tasks(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " T vhost_task_create");
	if (f)
		fclose(f);
	return found;
}

int metadata_dir(char *path, size_t size)
{
	char root[128] = "";
	FILE *f = fopen(LIO_ROOT "/dbroot", "r");

	if (!f || fscanf(f, "%127s", root) != 1)
		root[0] = '\0';
	if (f)
		fclose(f);
	snprintf(path, size, "%s/pr", root);
	return root[0] ? 0 : -1;
}

int worker_attach(struct vsg_dev *dev, unsigned int queue, unsigned int id)
{
	struct vhost_vring_worker vw = {
		.index = VSG_IO + queue,
		.worker_id = id,
	};

	return vsg_ioctl(dev, VHOST_ATTACH_VRING_WORKER, &vw);
}

static int sharer_run(void *arg)
{
	struct vhost_worker_state state = {};
	struct sharer *sharer = arg;

	sharer->ret = vsg_ioctl(sharer->dev, VHOST_NEW_WORKER, &state);
	sharer->id = state.worker_id;
	__atomic_store_n(&sharer->done, true, __ATOMIC_RELEASE);
	pause();
	return 0;
}

void sharer_start(struct sharer *sharer, struct vsg_dev *dev)
{
	sharer->dev = dev;
	sharer->done = false;
	/* A thread could not be killed alone. */
	sharer->pid = clone(sharer_run, sharer->stack + sizeof(sharer->stack),
			    CLONE_VM | CLONE_FILES | SIGCHLD, sharer);
	ASSERT_NE(-1, sharer->pid);
	while (!__atomic_load_n(&sharer->done, __ATOMIC_ACQUIRE))
		usleep(1000);
	ASSERT_EQ(0, sharer->ret);
}

void sharer_kill(struct sharer *sharer)
{
	kill(sharer->pid, SIGKILL);
	ASSERT_EQ(sharer->pid, waitpid(sharer->pid, NULL, 0));
}

int file_new(void)
{
	static const char name[] = "/tmp/vsg-files/guest";
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unlink(name));
	return fd;
}

void region_to_file(struct vsg_region *region, int fd)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < region->size; done += n) {
		n = pwrite(fd, region->hva + done, region->size - done, done);
		ASSERT_LE(1, n);
	}
	ASSERT_EQ((void *)region->hva,
		  mmap(region->hva, region->size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd, 0));
	ASSERT_EQ(0, madvise(region->hva, region->size, MADV_DONTFORK));
}

void designator(struct vsg_dev *dev, struct vsg_req *req, uint8_t target,
		uint16_t lun, uint8_t *naa)
{
	vsg_cmd_vpd(req, target, lun, 0x83, 255);
	EXPECT_EQ(VSG_GOOD, exec(vsg_io(dev, 0), req).status);
	ASSERT_EQ(3, req->data_in[5]);
	ASSERT_EQ(16, req->data_in[7]);
	memcpy(naa, req->data_in + 8, 16);
}

void copy_prepare(struct vsg_req *req, uint8_t target, uint16_t lun,
		  const uint8_t *from, const uint8_t *to, uint8_t blocks)
{
	uint8_t cdb[16] = { 0x83, [13] = 16 + 64 + 28 };
	uint8_t *p = req->data_out;

	memset(p, 0, cdb[13]);
	p[3] = 64;
	p[11] = 28;
	p[16] = 0xe4;
	p[48] = 0xe4;
	p[20] = 1;
	p[52] = 1;
	p[21] = 3;
	p[53] = 3;
	p[23] = 16;
	p[55] = 16;
	memcpy(p + 24, from, 16);
	memcpy(p + 56, to, 16);
	p[80] = 0x02;
	p[83] = 0x18;
	p[87] = 1;
	p[91] = blocks;
	p[107] = 100;
	vsg_req_cmd(req, target, lun, cdb, 16, cdb[13], 0);
}

bool can_copy(void)
{
	return !exists("/sys/kernel/debug/debug_objects");
}

void late_start(struct late *late, void *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = sizeof(late->copy) },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	late->page = page;
	late->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (late->uffd < 0)
		SKIP("no userfaultfd");
	ASSERT_EQ(0, ioctl(late->uffd, UFFDIO_API, &api));
	memcpy(late->copy, page, sizeof(late->copy));
	ASSERT_EQ(0, ioctl(late->uffd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, madvise(page, sizeof(late->copy), MADV_DONTNEED));
}

void late_wait(struct late *late)
{
	struct pollfd fd = { .fd = late->uffd, .events = POLLIN };

	ASSERT_EQ(1, poll(&fd, 1, WAIT_MS));
}

void late_end(struct late *late)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)late->page,
		.src = (uintptr_t)late->copy,
		.len = sizeof(late->copy),
	};

	ASSERT_EQ(0, ioctl(late->uffd, UFFDIO_COPY, &copy));
	close(late->uffd);
}

void memlock_limit(unsigned long bytes)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct rlimit limit = { bytes, RLIM_INFINITY };
	struct __user_cap_data_struct data[2];

	ASSERT_EQ(0, syscall(SYS_capget, &head, data));
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	ASSERT_EQ(0, syscall(SYS_capset, &head, data));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
}

long pinned_pages(void)
{
	return stat_value("/proc/self/status", "VmPin") * 1024 /
	       sysconf(_SC_PAGESIZE);
}

long long pins_acquired(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	/* Each processor gathers its own; a write has them added up now. */
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			perror("stat_refresh");
		close(fd);
	}
	return stat_value("/proc/vmstat", "nr_foll_pin_acquired");
}

long long pins(void)
{
	return pins_acquired() -
	       stat_value("/proc/vmstat", "nr_foll_pin_released");
}

void reach_backend(void)
{
	usleep(150000 * t_factor());
}

bool pins_settle(long long want, int timeout_ms)
{
	int64_t end = vsg_now_ms() + timeout_ms * t_factor();

	while (pins() != want && vsg_now_ms() < end)
		usleep(50000);
	return pins() == want;
}

bool threads_settle(int want, int timeout_ms)
{
	int64_t end = vsg_now_ms() + timeout_ms * t_factor();

	while (thread_count("vhost-") != want && vsg_now_ms() < end)
		usleep(20000);
	return thread_count("vhost-") == want;
}
