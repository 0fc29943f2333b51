/* What the kernel starts first (rdinit=) in every machine of the benchmark.
 *
 * Parent: forks the agent, reads the clock (the hand-over), becomes the PID 1 that is measured.
 * Agent: sits in the machine's own pid namespace with a proc of its own, sees the payloads of every
 * variant in the same way, reports on the second serial line, powers off.
 *
 * It looks for the payloads every 100 ms: readings are the payloads' own, so that only costs the
 * little that a look takes, and costs all variants the same.
 *
 * With restart_ms it kills each payload that long after the tenth began, and reports how long after
 * the kill its replacement's main() began.
 *
 * Kernel command line: rdinit=/bench/agent [settle_ms=3000] [restart_ms=2000] -- /init [arguments] */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* After the tenth service there is a moment for what loads beside them and tells of itself. */
enum { SERVICES = 10, LOOK_MS = 100, SETTLE_MS = 1500, GIVE_UP_MS = 90000 };

static int proc, out;

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int private_proc(void)
{
	int context = syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

	syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
}

/* The content of /proc/<pid>/<file>, without the last newline; "" when the process is gone. */
static char *content(const char *pid, const char *file)
{
	static char text[65536];
	char path[64];
	ssize_t length = 0, got = 0;
	int fd;

	snprintf(path, sizeof path, "%s/%s", pid, file);
	fd = openat(proc, path, O_RDONLY);
	while (fd >= 0 && (got = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += got;
	if (fd >= 0)
		close(fd);
	if (length && text[length - 1] == '\n')
		length--;
	text[length] = 0;
	return text;
}

/* The value behind "name:" in such a file, as one line. */
static const char *field(const char *pid, const char *file, const char *name)
{
	static char value[8][128];
	static int next;
	char *line = strstr(content(pid, file), name), *result = value[next++ % 8];

	*result = 0;
	if (line)
		sscanf(line + strlen(name), " %127[^\n]", result);
	for (char *c = result; *c; c++)
		if (*c == '\t')
			*c = ' ';
	return result;
}

/* Calls `each` for every process that was made after this one and has user memory. */
static int every_process(int (*each)(const char *pid))
{
	DIR *list = fdopendir(openat(proc, ".", O_RDONLY | O_DIRECTORY));
	struct dirent *entry;
	int count = 0;

	while (list && (entry = readdir(list)))
		if (atoi(entry->d_name) > getpid())
			count += each(entry->d_name);
	if (list)
		closedir(list);
	return count;
}

static int is_payload(const char *pid)
{
	const char *name = content(pid, "comm");

	return name[0] == 'b' && strlen(name) > 5 && strspn(name + 1, "0123456789") == strlen(name + 1);
}

static int print_ready(const char *pid)
{
	if (is_payload(pid))
		dprintf(out, "ready_us %s\n", content(pid, "comm") + 1);
	return 0;
}

/* What a service has used of a CPU from its birth (schedstat of proc(5)). */
static int print_cpu(const char *pid)
{
	if (is_payload(pid))
		dprintf(out, "service_cpu_us %lld\n", atoll(content(pid, "schedstat")) / 1000);
	return 0;
}

static int print_memory(const char *pid)
{
	const char *pss = field(pid, "smaps_rollup", "Pss:");

	if (*pss)
		dprintf(out, "pss %d %s\n", atoi(pss), content(pid, "comm"));
	return 0;
}

/* What one payload is to itself: it must be the same in Orlop and in the floor. */
static int print_isolation(const char *pid)
{
	static const char *const kinds[] = { "mnt", "pid", "net", "ipc", "uts", "cgroup", "user" };
	static int done;
	int mounts = 0;

	if (done || !is_payload(pid))
		return 0;
	done = 1;
	dprintf(out, "isolation namespaces");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[64];
		struct stat own, its;

		snprintf(path, sizeof path, "self/ns/%s", kinds[i]);
		fstatat(proc, path, &own, 0);
		snprintf(path, sizeof path, "%s/ns/%s", pid, kinds[i]);
		fstatat(proc, path, &its, 0);
		dprintf(out, "%s", own.st_ino == its.st_ino ? "" : i ? "," : " ");
		dprintf(out, "%s", own.st_ino == its.st_ino ? "" : kinds[i]);
	}
	dprintf(out, "\nisolation capabilities %s, bounding %s\n", field(pid, "status", "CapEff:"),
		field(pid, "status", "CapBnd:"));
	dprintf(out, "isolation seccomp %s, no_new_privs %s\n", field(pid, "status", "Seccomp:"),
		field(pid, "status", "NoNewPrivs:"));
	dprintf(out, "isolation ids %s\n", field(pid, "uid_map", ""));
	dprintf(out, "isolation cgroup %s\n", field(pid, "cgroup", "::"));
	for (char *line = content(pid, "mountinfo"); line; line = strchr(line + 1, '\n'))
		mounts++;
	dprintf(out, "isolation mounts %d\n", mounts);
	return 0;
}

static int known[2 * SERVICES], known_count;

static int is_known(const char *pid)
{
	for (int i = 0; i < known_count; i++)
		if (known[i] == atoi(pid))
			return 1;
	return 0;
}

static int learn(const char *pid)
{
	if (is_payload(pid) && !is_known(pid) && known_count < 2 * SERVICES)
		known[known_count++] = atoi(pid);
	return 0;
}

/* Nobody is killed within the first second of another: PID 1 is idle when it hears of it. */
enum { REST_MS = 200, REPLACE_MS = 10000 };

/* Kills every payload once; the replacement says itself when it began. */
static void restart_each(void)
{
	every_process(learn);
	for (int i = 0; i < SERVICES && i < known_count; i++) {
		int before = known_count;
		long long killed = now_us();

		kill(known[i], SIGKILL);
		while (known_count == before && now_us() < killed + REPLACE_MS * 1000LL) {
			sleep_ms(LOOK_MS);
			every_process(learn);
		}
		if (known_count == before) {
			dprintf(out, "error no replacement of process %d\n", known[i]);
		} else {
			char pid[16];

			snprintf(pid, sizeof pid, "%d", known[before]);
			dprintf(out, "restart_us %lld\n", atoll(content(pid, "comm") + 1) - killed);
		}
		sleep_ms(REST_MS);
	}
}

static void agent(int hand_over)
{
	const char *settle = getenv("settle_ms"), *restart = getenv("restart_ms");
	long long handed_over = 0, until;

	out = open("/bench/serial", O_WRONLY | O_NOCTTY);
	if (read(hand_over, &handed_over, sizeof handed_over) != sizeof handed_over)
		dprintf(out, "error the measured program did not start\n");
	until = now_us() + GIVE_UP_MS * 1000LL;
	while (every_process(is_payload) < SERVICES && now_us() < until)
		sleep_ms(LOOK_MS);
	sleep_ms(restart ? atoi(restart) : settle ? atoi(settle) : SETTLE_MS);
	if (restart)
		restart_each();
	dprintf(out, "handover_us %lld\n", handed_over);
	every_process(print_ready);
	every_process(print_cpu);
	every_process(print_isolation);
	if (settle) {
		print_memory("1");
		every_process(print_memory);
		dprintf(out, "available_kib %d\n", atoi(field(".", "meminfo", "MemAvailable:")));
	}
	dprintf(out, "end\n");
	tcdrain(out);
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	int ready[2], hand_over[2];
	long long now;
	char byte;

	if (argc < 2 || pipe2(ready, O_CLOEXEC) || pipe2(hand_over, O_CLOEXEC))
		return 1;
	mknod("/bench/serial", S_IFCHR | 0600, makedev(4, 65));
	if (fork() == 0) {
		proc = private_proc();
		close(hand_over[1]);
		setsid();
		if (write(ready[1], "r", 1) == 1)
			agent(hand_over[0]);
		return 1;
	}
	if (read(ready[0], &byte, 1) != 1)
		return 1;
	now = now_us();
	if (write(hand_over[1], &now, sizeof now) == sizeof now)
		execv(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
