/* System calls that would change the machine, or show more of it. Arguments are such that the call
 * would come through for a process that may. */
#include "intruder.h"

#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/timex.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <grp.h>
#include <pty.h>
#include <sys/ioctl.h>

static long try_mount(void) { return mount("t", "/tmp", "tmpfs", 0, ""); }
static long try_remount(void) { return mount("", "/", "", MS_REMOUNT | MS_BIND, ""); }
static long try_bind(void) { return mount("/", "/tmp", "", MS_BIND, ""); }
static long try_proc(void) { return mount("p", "/tmp", "proc", 0, ""); }
static long try_cgroup1(void) { return mount("c", "/tmp", "cgroup", 0, "none,name=intruder"); }
static long try_debugfs(void) { return mount("d", "/tmp", "debugfs", 0, ""); }
static long try_umount(void) { return umount2("/proc/kcore", MNT_DETACH); }
static long try_fsopen(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static long try_open_tree(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* CLONE */); }
static long try_mount_setattr(void)
{
    struct { unsigned long long set, clear, propagation, userns; } attributes = {.clear = 1 /* RDONLY */};
    return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes);
}
static long try_move_mount(void) { return syscall(SYS_move_mount, AT_FDCWD, "/dev/shm", AT_FDCWD, "/tmp", 0); }
static long try_pivot_root(void) { return syscall(SYS_pivot_root, "/tmp", "/tmp"); }
static long try_chroot(void) { return chroot("/tmp"); }
static long try_unshare_user(void) { return unshare(CLONE_NEWUSER); }
static long try_unshare_mount(void) { return unshare(CLONE_NEWNS); }
static long try_unshare_time(void) { return unshare(0x80 /* CLONE_NEWTIME */); }
static long try_clone_user(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long try_clone3(void)
{
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    return pid;
}
static long try_setns(void)
{
    int own = open("/proc/self/ns/mnt", O_RDONLY);
    return setns(own, 0);
}
/* A child that waits, to be looked into. */
static long on_child(long (*look)(pid_t))
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    long result = look(child);
    int error = errno;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    errno = error;
    return result;
}
static long attach(pid_t child) { return ptrace(PTRACE_ATTACH, child, 0, 0); }
static long try_ptrace(void) { return on_child(attach); }
static long read_memory(pid_t child)
{
    char byte;
    struct iovec mine = {&byte, 1}, theirs = {&byte, 1};
    return process_vm_readv(child, &mine, 1, &theirs, 1, 0);
}
static long try_process_vm_readv(void) { return on_child(read_memory); }
static long steal_descriptor(pid_t child)
{
    long pidfd = syscall(SYS_pidfd_open, child, 0);
    return syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}
static long try_pidfd_getfd(void) { return on_child(steal_descriptor); }
static long try_add_key(void) { return syscall(SYS_add_key, "user", "k", "v", 1, KEY_SPEC_SESSION_KEYRING); }
static long try_request_key(void) { return syscall(SYS_request_key, "user", "k", NULL, 0); }
static long try_keyctl(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1); }
static long try_bpf(void)
{
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map);
}
static long try_perf(void)
{
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK};
    return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0);
}
static long try_userfaultfd(void) { return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */); }
static long try_io_uring(void)
{
    char parameters[120] = {0};
    return syscall(SYS_io_uring_setup, 1, parameters);
}
static long try_init_module(void) { return syscall(SYS_init_module, "", 0, ""); }
static long try_finit_module(void) { return syscall(SYS_finit_module, 0, "", 0); }
static long try_delete_module(void) { return syscall(SYS_delete_module, "nf_tables", O_NONBLOCK); }
static long try_kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long try_kexec_file(void) { return syscall(SYS_kexec_file_load, 0, 0, 1, "", 0); }
/* CAD_OFF changes nothing. */
static long try_reboot(void)
{
    return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL);
}
static long try_swapon(void) { return syscall(SYS_swapon, "/dev/null", 0); }
static long try_acct(void) { return syscall(SYS_acct, NULL); }
static long try_quotactl(void) { return syscall(SYS_quotactl, 0x80000100 /* Q_SYNC */, NULL, 0, NULL); }
static long try_syslog(void) { return klogctl(10 /* SIZE_BUFFER */, NULL, 0); }
static long try_iopl(void) { return syscall(SYS_iopl, 3); }
static long try_ioperm(void) { return syscall(SYS_ioperm, 0x70, 1, 1); }
static long try_clock_settime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return clock_settime(CLOCK_REALTIME, &now);
}
static long try_adjtimex(void)
{
    struct timex change = {.modes = ADJ_TICK, .tick = 10000};
    long result = adjtimex(&change);
    return result < 0 ? -1 : 0;
}
static long try_sethostname(void) { return sethostname("intruder", 8); }
static long try_open_by_handle(void)
{
    struct { struct file_handle handle; char bytes[8]; } root = {.handle = {.handle_bytes = 8, .handle_type = 1}};
    return open_by_handle_at(AT_FDCWD, &root.handle, O_RDONLY);
}
static long try_fanotify(void) { return syscall(SYS_fanotify_init, 0, O_RDONLY); }
static long try_vhangup(void) { return syscall(SYS_vhangup); }
static long try_personality(void) { return personality(ADDR_NO_RANDOMIZE); }
static long try_mempolicy(void) { return syscall(SYS_migrate_pages, 0, 0, NULL, NULL); }
static long try_setuid(void) { return setuid(1000); }
static long try_setgroups(void)
{
    gid_t group = 1000;
    return setgroups(1, &group);
}
static long try_nice(void) { return syscall(SYS_setpriority, 0, 0, -20); }
static long try_realtime(void)
{
    struct sched_param most = {.sched_priority = 99};
    return syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &most);
}
static long try_unknown(void) { return syscall(9999); }
static long try_x32(void) { return syscall(0x40000000 + SYS_getpid); }
/* Pushes a character into a terminal of its own, as a shell behind it would read it. */
static long on_terminal(unsigned long request, void *argument)
{
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) < 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        _exit(ioctl(slave, request, argument) < 0 ? errno : 0);
    }
    int status;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
static long try_tiocsti(void) { return on_terminal(TIOCSTI, "x"); }
static long try_tioclinux(void) { return on_terminal(TIOCLINUX, "\2"); }

const struct attempt kernel_attempts[] = {
    TRY("mount tmpfs", try_mount), TRY("remount / writable", try_remount), TRY("bind mount", try_bind),
    TRY("mount proc", try_proc), TRY("mount cgroup v1", try_cgroup1), TRY("mount debugfs", try_debugfs),
    TRY("umount a mask", try_umount),
    TRY("fsopen", try_fsopen), TRY("open_tree", try_open_tree), TRY("mount_setattr", try_mount_setattr),
    TRY("move_mount", try_move_mount), TRY("pivot_root", try_pivot_root), TRY("chroot", try_chroot),
    TRY("unshare user", try_unshare_user), TRY("unshare mount", try_unshare_mount),
    TRY("unshare time", try_unshare_time), TRY("clone user", try_clone_user), TRY("clone3", try_clone3),
    TRY("setns", try_setns), TRY("ptrace", try_ptrace), TRY("process_vm_readv", try_process_vm_readv),
    TRY("pidfd_getfd", try_pidfd_getfd), TRY("add_key", try_add_key), TRY("request_key", try_request_key),
    TRY("keyctl", try_keyctl), TRY("bpf", try_bpf), TRY("perf_event_open", try_perf),
    TRY("userfaultfd", try_userfaultfd), TRY("io_uring", try_io_uring), TRY("init_module", try_init_module),
    TRY("finit_module", try_finit_module), TRY("delete_module", try_delete_module), TRY("kexec_load", try_kexec),
    TRY("kexec_file_load", try_kexec_file), TRY("reboot", try_reboot), TRY("swapon", try_swapon),
    TRY("acct", try_acct), TRY("quotactl", try_quotactl), TRY("syslog", try_syslog), TRY("iopl", try_iopl),
    TRY("ioperm", try_ioperm), TRY("clock_settime", try_clock_settime), TRY("adjtimex", try_adjtimex),
    TRY("sethostname", try_sethostname), TRY("open_by_handle_at", try_open_by_handle),
    TRY("fanotify_init", try_fanotify), TRY("vhangup", try_vhangup), TRY("personality", try_personality),
    TRY("migrate_pages", try_mempolicy), TRY("setuid", try_setuid), TRY("setgroups", try_setgroups),
    TRY("nice -20", try_nice), TRY("real time", try_realtime), TRY("unknown call", try_unknown),
    TRY("x32 call", try_x32), TRY("TIOCSTI", try_tiocsti), TRY("TIOCLINUX", try_tioclinux), {NULL, NULL},
};
