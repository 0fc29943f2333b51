/* From the hand-over to ten isolated services: the stages of init/src/boot.rs that the kernel
 * charges for, then the launches. Modules that services wait for load in a child meanwhile. */
#include "floor.h"
#include <errno.h>
#include <linux/loop.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { STRICT = MS_NOSUID | MS_NODEV | MS_NOEXEC };

const char *image = "/images/bench", *staging = "/run/staging";
const char *cgroups = "/sys/fs/cgroup/services", *program = "/usr/bin/payload";
int limited = 1;

/* Shared with the children that load modules: microseconds in finit_module(2), by batch. */
static long long *spent;
static struct service services[SERVICES];
static char boot_json[65536];

static void say(const char *format, ...)
{
	char line[256];
	va_list list;
	int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	va_start(list, format);
	vsnprintf(line, sizeof line, format, list);
	va_end(list);
	dprintf(2, "%s\r\n", line);
	dprintf(kmsg, "<6>floor: %s\n", line);
	close(kmsg);
}

void must(int good, const char *what)
{
	if (good)
		return;
	say("%s: %s", what, strerror(errno));
	for (;;)
		pause();
}

int write_file(int directory, const char *path, const char *text)
{
	int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	ssize_t written;

	if (fd < 0)
		return 0;
	written = write(fd, text, length);
	close(fd);
	return written == (ssize_t)length;
}

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void early_mounts(void)
{
	static const char *const mounts[][3] = {
		{ "devtmpfs", "/dev", "mode=0755" },
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "tmpfs", "/run", "mode=0755" },
		{ "cgroup2", "/sys/fs/cgroup", "nsdelegate,memory_recursiveprot" },
	};

	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		mkdir(mounts[i][1], 0755);
		must(mount(mounts[i][0], mounts[i][1], mounts[i][0], i == 0 || i == 3 ? MS_NOSUID : STRICT,
			   mounts[i][2]) == 0, mounts[i][1]);
	}
}

/* Loads a batch of boot.json ("boot":["a","b"]), whose files are in `folder`. */
static void load_batch(const char *name, const char *folder, int slot)
{
	char key[32], path[128];
	char *at, *last;
	long long started = now_us();

	snprintf(key, sizeof key, "\"%s\":[", name);
	at = strstr(boot_json, key);
	must(at != NULL, name);
	at += strlen(key);
	last = strchr(at, ']');
	while ((at = strchr(at, '"')) && at < last) {
		char *close_quote = strchr(++at, '"');
		int fd;

		snprintf(path, sizeof path, "%s/%.*s.ko", folder, (int)(close_quote - at), at);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			say("%s: %s", path, strerror(errno));
		close(fd);
		at = close_quote + 1;
	}
	spent[slot] = now_us() - started;
}

static pid_t load_in_child(const char *name, int slot)
{
	pid_t pid = fork();

	if (pid == 0) {
		load_batch(name, "/lib/modules", slot);
		_exit(0);
	}
	return pid;
}

/* A system that the initramfs carries becomes a block device. */
static int attach_loop(char *device, size_t size)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR };
	int control, loop, number;

	config.fd = open("/system.erofs", O_RDONLY | O_CLOEXEC);
	if ((int)config.fd < 0)
		return -1;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	number = ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(device, size, "/dev/loop%d", number);
	loop = open(device, O_RDONLY | O_CLOEXEC);
	must(ioctl(loop, LOOP_CONFIGURE, &config) == 0, device);
	close(control);
	close(config.fd);
	return loop;
}

static void find_system(char *device, size_t size)
{
	char path[64], serial[32];

	for (char letter = 'a';; letter = letter == 'd' ? 'a' : letter + 1) {
		ssize_t got;
		int fd;

		snprintf(path, sizeof path, "/sys/block/vd%c/serial", letter);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		got = fd < 0 ? -1 : read(fd, serial, sizeof serial);
		close(fd);
		if (got >= 12 && memcmp(serial, "orlop-system", 12) == 0)
			break;
	}
	snprintf(device, size, "/dev/%.3s", path + 11);
}

static void enter_system(void)
{
	static const char *const carried[] = { "dev", "proc", "sys", "run" };
	char device[16], from[16], to[32];

	int loop = attach_loop(device, sizeof device);

	if (loop < 0)
		find_system(device, sizeof device);
	mkdir("/sysroot", 0755);
	must(mount(device, "/sysroot", "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) == 0, device);
	if (loop >= 0)
		close(loop);
	for (size_t i = 0; i < sizeof carried / sizeof *carried; i++) {
		snprintf(from, sizeof from, "/%s", carried[i]);
		snprintf(to, sizeof to, "/sysroot/%s", carried[i]);
		must(mount(from, to, NULL, MS_MOVE, NULL) == 0, to);
	}
	must(chdir("/sysroot") == 0, "/sysroot");
	must(mount(".", "/", NULL, MS_MOVE, NULL) == 0, "moving the system");
	must(chroot(".") == 0 && chdir("/") == 0, "chroot");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
}

static void prepare_services(int proc)
{
	mkdir("/run/staging", 0700);
	close(open("/run/resolv.conf", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	must(mkdir("/sys/fs/cgroup/services", 0755) == 0, "services");
	must(write_file(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", "+pids"), "controllers");
	must(write_file(AT_FDCWD, "/sys/fs/cgroup/services/cgroup.subtree_control", "+pids"), "controllers");
	for (int i = 0; i < SERVICES; i++) {
		struct service *service = &services[i];

		snprintf(service->name, sizeof service->name, "s%d", i);
		service->id_base = (i + 1) * ID_COUNT;
		make_cgroup(service);
		start_holder(service, proc);
	}
}

/* `network` loads modules; whoever has a bridge waits for it. */
static void start_services(int proc, int bridged, pid_t network)
{
	if (bridged) {
		must(waitpid(network, NULL, 0) == network, "the network's modules");
		bridge_up();
		load_rules();
	}
	for (int i = 0; i < SERVICES; i++) {
		struct service *service = &services[i];

		finish_holder(service);
		if (bridged)
			attach(service, i);
		make_pipes(service);
		launch(service, proc, bridged);
	}
}

/* A main process has ended: its launch once more, with all that is kept for the service. */
static void restart(pid_t ended, int proc, int bridged)
{
	for (int i = 0; i < SERVICES; i++) {
		struct service *service = &services[i];

		if (service->pid != ended)
			continue;
		close(service->report);
		launch(service, proc, bridged);
		return;
	}
}

int main(int argc, char **argv)
{
	int bridged = argc > 1 && strcmp(argv[1], "bridge") == 0;
	int proc, json;
	char byte;

	spent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	early_mounts();
	json = open("/boot.json", O_RDONLY | O_CLOEXEC);
	must(read(json, boot_json, sizeof boot_json - 1) > 0, "/boot.json");
	load_batch("boot", "/modules", 0);
	enter_system();
	pid_t network = bridged ? load_in_child("network", 1) : 0;
	proc = fresh_mount("proc", 0, NULL);
	prepare_services(proc);
	start_services(proc, bridged, network);
	/* As in Orlop: what no launch waits for comes after them. */
	if (!bridged)
		load_in_child("network", 1);
	load_in_child("machine", 2);
	/* All have executed; nothing below is measured. */
	for (int i = 0; i < SERVICES; i++)
		must(read(services[i].report, &byte, 1) == 0, "a service");
	while (waitpid(-1, NULL, 0) > 0 && !(spent[0] && spent[1] && spent[2]))
		;
	say("modules boot %lld network %lld machine %lld us", spent[0], spent[1], spent[2]);
	for (;;)
		restart(waitpid(-1, NULL, 0), proc, bridged);
}
