/* One service: what is kept for it (cgroup, namespaces, pipes), and its main process. The steps are
 * those of init/container: namespaces.rs for the holder, plan/mod.rs for the launch. */
#include "floor.h"
#include "filter.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define INTO_CGROUP 0x200000000ULL

struct clone_arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

static pid_t clone_into(uint64_t namespaces, int cgroup)
{
	int pidfd;
	struct clone_arguments arguments = {
		.flags = namespaces | CLONE_PIDFD | (cgroup < 0 ? 0 : INTO_CGROUP),
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup < 0 ? 0 : cgroup,
	};
	pid_t pid = syscall(SYS_clone3, &arguments, sizeof arguments);

	must(pid >= 0, "clone3");
	return pid;
}

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void make_cgroup(struct service *service)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", cgroups, service->name);
	must(mkdir(path, 0755) == 0, path);
	service->cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (limited)
		must(write_file(service->cgroup, "pids.max", "2048"), "pids.max");
	restrict_devices(service->cgroup);
}

static int pass(int socket, void *byte, int *fds, size_t count, int sending)
{
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec vector = { byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control,
	};

	if (!sending) {
		if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
			return 0;
		memcpy(fds, CMSG_DATA(&control.header), count * sizeof *fds);
		return control.header.cmsg_len == CMSG_LEN(count * sizeof *fds);
	}
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof *fds);
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

/* In the new namespaces: readies the network one and passes both up. */
static void hold(int proc, int socket_fd)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fds[3], inet;
	char go;

	reset_signals();
	must(recv(socket_fd, &go, 1, 0) == 1, "the holder's go");
	fds[0] = openat(proc, "self/ns/user", O_RDONLY | O_CLOEXEC);
	fds[1] = openat(proc, "self/ns/net", O_RDONLY | O_CLOEXEC);
	must(write_file(proc, "sys/net/ipv4/ip_unprivileged_port_start", "0"), "port start");
	must(write_file(proc, "sys/net/ipv4/ping_group_range", "0 65535"), "ping group");
	inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(ioctl(inet, SIOCSIFFLAGS, &request) == 0, "lo");
	fds[2] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(pass(socket_fd, &go, fds, 3, 1), "passing the namespaces");
	_exit(0);
}

void start_holder(struct service *service, int proc)
{
	int pair[2];
	char path[32], map[32];
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	pid = clone_into(CLONE_NEWUSER | CLONE_NEWNET, -1);
	if (pid == 0)
		hold(proc, pair[1]);
	close(pair[1]);
	snprintf(map, sizeof map, "0 %u %u", service->id_base, ID_COUNT);
	snprintf(path, sizeof path, "%d/uid_map", pid);
	must(write_file(proc, path, map), path);
	snprintf(path, sizeof path, "%d/gid_map", pid);
	must(write_file(proc, path, map), path);
	must(send(pair[0], "g", 1, MSG_NOSIGNAL) == 1, "the holder's go");
	service->holder = pair[0];
}

void finish_holder(struct service *service)
{
	int fds[3] = { 0 };
	char go;

	must(pass(service->holder, &go, fds, 3, 0), "the holder's namespaces");
	close(service->holder);
	service->user = fds[0];
	service->net = fds[1];
	service->netlink = fds[2];
}

void make_pipes(struct service *service)
{
	must(pipe2(service->out, O_CLOEXEC) == 0 && pipe2(service->err, O_CLOEXEC) == 0, "pipes");
	must(fchown(service->out[1], service->id_base, service->id_base) == 0, "fchown");
	must(fchown(service->err[1], service->id_base, service->id_base) == 0, "fchown");
}

static void give_up_rights(void)
{
	static const struct rlimit files = { 1024, 1024 }, cores = { 0, 0 };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	gid_t group = 0;

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &cores);
	for (int number = 0; prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0; number++)
		;
	must(syscall(SYS_setgroups, 1, &group) == 0, "setgroups");
	must(syscall(SYS_setresgid, 0, 0, 0) == 0, "setresgid");
	must(syscall(SYS_setresuid, 0, 0, 0) == 0, "setresuid");
	must(syscall(SYS_capset, &header, none) == 0, "capset");
}

static void close_off(void)
{
	static const struct sock_fprog program = { sizeof filter / sizeof *filter,
						   (struct sock_filter *)filter };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0, "seccomp");
}

static void become(const struct service *service, int proc, int bridged)
{
	char *const arguments[] = { (char *)program, NULL };
	static char *const environment[] = {
		"HOME=/",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		NULL,
	};
	char here[4096];
	int null;

	reset_signals();
	setsid();
	umask(0);
	must(write_file(proc, "self/oom_score_adj", "0"), "oom_score_adj");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	must(setns(service->net, CLONE_NEWNET) == 0, "setns net");
	must(sethostname(service->name, strlen(service->name)) == 0, "sethostname");
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	build_root(service, bridged);
	must(setns(service->user, CLONE_NEWUSER) == 0, "setns user");
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	give_up_rights();
	umask(022);
	must(chdir("/") == 0 && getcwd(here, sizeof here) && *here == '/', "the working directory");
	dup2(null, 0);
	dup2(service->out[1], 1);
	dup2(service->err[1], 2);
	syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	close_off();
	execve(arguments[0], arguments, environment);
	must(0, arguments[0]);
}

void launch(struct service *service, int proc, int bridged)
{
	int report[2];
	pid_t pid;

	must(pipe2(report, O_CLOEXEC) == 0, "the report pipe");
	pid = clone_into(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
			 service->cgroup);
	if (pid == 0)
		become(service, proc, bridged);
	close(report[1]);
	service->report = report[0];
	service->pid = pid;
}
