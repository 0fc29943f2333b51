/* The floor of one launch on the workstation: from nothing to nothing, some times, one after the
 * other; the nanoseconds of each on a line. `native IMAGES STAGING CGROUPS COUNT`, as the example
 * `engine` of init/container. `native filter` writes the filter, for other engines. */
#include "../floor/floor.h"
#include "../floor/filter.h"
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/mount.h>

const char *image, *staging, *cgroups, *program = "/bin/true";
int limited;

void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	_exit(1);
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

static long long now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void once(int proc)
{
	struct service service = { .name = "floor", .id_base = 8 * ID_COUNT };
	char path[256];
	int status;
	char end;

	make_cgroup(&service);
	start_holder(&service, proc);
	finish_holder(&service);
	must(wait(&status) > 0 && status == 0, "the holder");
	make_pipes(&service);
	launch(&service, proc, 0);
	must(read(service.report, &end, 1) == 0, "the report");
	must(wait(&status) > 0 && status == 0, program);
	snprintf(path, sizeof path, "%s/%s", cgroups, service.name);
	must(rmdir(path) == 0, path);
	close(service.cgroup);
	close(service.user);
	close(service.net);
	close(service.netlink);
	close(service.report);
	for (int end = 0; end < 2; end++) {
		close(service.out[end]);
		close(service.err[end]);
	}
}

int main(int count, char **words)
{
	char path[256];
	int proc;

	if (count == 2 && strcmp(words[1], "filter") == 0)
		return fwrite(filter, sizeof filter, 1, stdout) == 1 ? 0 : 1;
	must(count == 5, "native IMAGES STAGING CGROUPS COUNT");
	snprintf(path, sizeof path, "%s/bench", words[1]);
	image = path;
	staging = words[2];
	cgroups = words[3];
	proc = fresh_mount("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL);
	for (int left = atoi(words[4]); left > 0; left--) {
		long long begin = now();

		once(proc);
		printf("%lld\n", now() - begin);
	}
	return 0;
}
