/* The mounts of one service: the steps of init/container/src/plan/filesystem.rs, in its order. */
#include "floor.h"
#include <errno.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

enum {
	PLAIN = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	READ_ONLY = PLAIN | MOUNT_ATTR_RDONLY,
	BOTH_EMPTY = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
	CLONE = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
};

static int root, null;

static int find(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};

	return syscall(SYS_openat2, root, path, &how, sizeof how);
}

static void put_on(int tree, const char *path)
{
	int target = find(path);

	must(target >= 0, path);
	must(syscall(SYS_move_mount, tree, "", target, "", BOTH_EMPTY) == 0, path);
	close(target);
	close(tree);
}

int fresh_mount(const char *fstype, unsigned attributes, const char *const *options)
{
	int context = syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC), tree;

	must(context >= 0, fstype);
	for (; options && *options; options += 2) {
		unsigned command = options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		must(syscall(SYS_fsconfig, context, command, options[0], options[1], 0) == 0, options[0]);
	}
	must(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0, fstype);
	tree = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	must(tree >= 0, fstype);
	close(context);
	return tree;
}

static void fresh(const char *fstype, const char *path, unsigned attributes, const char *const *options)
{
	put_on(fresh_mount(fstype, attributes, options), path);
}

static void restrict_mount(int tree, uint64_t attributes, int userns, unsigned flags)
{
	struct mount_attr attr = { .attr_set = attributes, .userns_fd = userns };

	must(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, &attr, sizeof attr) == 0,
	     "mount_setattr");
}

static void attach_root(const struct service *service)
{
	int place = open(staging, O_PATH | O_CLOEXEC);

	root = syscall(SYS_open_tree, AT_FDCWD, image, CLONE);
	must(root >= 0, image);
	restrict_mount(root, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_IDMAP,
		       service->user, 0);
	must(syscall(SYS_move_mount, root, "", place, "", BOTH_EMPTY) == 0, staging);
	close(place);
}

static void node(int dev, const char *name, unsigned major, unsigned minor, unsigned owner)
{
	must(mknodat(dev, name, S_IFCHR | 0666, makedev(major, minor)) == 0, name);
	must(fchownat(dev, name, owner, owner, AT_SYMLINK_NOFOLLOW) == 0, name);
}

static void fill_dev(unsigned owner)
{
	static const char *const folders[] = { "pts", "shm", "mqueue" };
	static const char *const links[][2] = {
		{ "pts/ptmx", "ptmx" },
		{ "/proc/self/fd", "fd" },
		{ "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" },
	};
	int dev = find("dev");

	node(dev, "null", 1, 3, owner);
	node(dev, "zero", 1, 5, owner);
	node(dev, "full", 1, 7, owner);
	node(dev, "random", 1, 8, owner);
	node(dev, "urandom", 1, 9, owner);
	node(dev, "tty", 5, 0, owner);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		must(mkdirat(dev, folders[i], 0755) == 0, folders[i]);
		must(fchownat(dev, folders[i], owner, owner, AT_SYMLINK_NOFOLLOW) == 0, folders[i]);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		must(symlinkat(links[i][0], dev, links[i][1]) == 0, links[i][1]);
		must(fchownat(dev, links[i][1], owner, owner, AT_SYMLINK_NOFOLLOW) == 0, links[i][1]);
	}
	close(dev);
}

static void make_dev(unsigned owner)
{
	char id[16], tty[16];
	const char *const dev[] = { "mode", "0755", "uid", id, "gid", id, "size", "64k", NULL };
	const char *const pts[] = { "newinstance", NULL, "ptmxmode", "0666", "mode", "0620", "gid", tty,
				    NULL };
	const char *const shm[] = { "mode", "1777", "uid", id, "gid", id, "size", "67108864", NULL };
	int closed;

	snprintf(id, sizeof id, "%u", owner);
	snprintf(tty, sizeof tty, "%u", owner + 5);
	fresh("tmpfs", "dev", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, dev);
	fill_dev(owner);
	fresh("devpts", "dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, pts);
	fresh("tmpfs", "dev/shm", PLAIN, shm);
	fresh("mqueue", "dev/mqueue", PLAIN, NULL);
	closed = find("dev");
	restrict_mount(closed, MOUNT_ATTR_RDONLY, 0, 0);
	close(closed);
}

static void make_tmpfs(unsigned owner)
{
	char id[16];
	const char *const run[] = { "mode", "0755", "uid", id, "gid", id, "size", "16777216", NULL };
	const char *const tmp[] = { "mode", "1777", "uid", id, "gid", id, "size", "67108864", NULL };

	snprintf(id, sizeof id, "%u", owner);
	fresh("tmpfs", "run", PLAIN, run);
	fresh("tmpfs", "tmp", PLAIN, tmp);
}

static void bind_file(const char *source, const char *path)
{
	int tree = syscall(SYS_open_tree, AT_FDCWD, source, CLONE);

	must(tree >= 0, source);
	restrict_mount(tree, READ_ONLY, 0, 0);
	put_on(tree, path);
}

/* The first mask of its kind. The null device's owner and mode are the machine's: a read-only mount. */
static int first_mask(int directory)
{
	static const char *const empty[] = { "mode", "0755", "nr_inodes", "2", "size", "4k", NULL };
	int tree;

	if (directory)
		return fresh_mount("tmpfs", READ_ONLY, empty);
	tree = syscall(SYS_open_tree, null, "", CLONE);
	restrict_mount(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0);
	return tree;
}

/* Files are covered by the null device, directories by one empty file system, one for all of each. */
static void mask(const char *path)
{
	static int shared[2] = { -1, -1 };
	int target = find(path), tree, *first;
	struct stat is;

	if (target < 0 && errno == ENOENT)
		return;
	must(target >= 0 && fstat(target, &is) == 0, path);
	first = &shared[S_ISDIR(is.st_mode) ? 1 : 0];
	if (*first < 0)
		tree = *first = first_mask(S_ISDIR(is.st_mode));
	else
		tree = syscall(SYS_open_tree, *first, "", CLONE);
	must(syscall(SYS_move_mount, tree, "", target, "", BOTH_EMPTY) == 0, path);
	close(target);
	if (tree != *first)
		close(tree);
}

static void read_only(const char *path)
{
	int target = find(path), tree;

	if (target < 0 && errno == ENOENT)
		return;
	tree = syscall(SYS_open_tree, target, "", CLONE | AT_RECURSIVE);
	restrict_mount(tree, READ_ONLY, 0, AT_RECURSIVE);
	must(syscall(SYS_move_mount, tree, "", target, "", BOTH_EMPTY) == 0, path);
	close(target);
	close(tree);
}

void build_root(const struct service *service, int bridged)
{
	static const char *const masked[] = {
		"proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys",
		"proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list",
		"proc/timer_stats", "sys/devices/virtual/powercap", "sys/firmware",
	};
	static const char *const closed[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
					      "proc/sysrq-trigger" };
	struct stat is;

	null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	must(fstat(null, &is) == 0 && is.st_rdev == makedev(1, 3), "/dev/null");
	attach_root(service);
	fresh("proc", "proc", PLAIN, NULL);
	fresh("sysfs", "sys", READ_ONLY, NULL);
	fresh("cgroup2", "sys/fs/cgroup", READ_ONLY, NULL);
	make_dev(service->id_base);
	if (bridged)
		bind_file("/run/resolv.conf", "etc/resolv.conf");
	make_tmpfs(service->id_base);
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++)
		mask(masked[i]);
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		read_only(closed[i]);
	must(fchdir(root) == 0, "the new root");
	must(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
	must(umount2(".", MNT_DETACH) == 0, "the old root");
	must(chdir("/") == 0, "/");
}
