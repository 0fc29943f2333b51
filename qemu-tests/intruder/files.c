/* Files of the kernel, devices, and what an image or a volume may be abused for. */
#include "intruder.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static long to_write(const char *path)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    close(file);
    return 0;
}
static long write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    long result = write(file, text, strlen(text)) < 0 ? -1 : 0;
    int error = errno;
    close(file);
    errno = error;
    return result;
}
static long to_read(const char *path)
{
    char bytes[64];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    long got = read(file, bytes, sizeof bytes);
    int error = got == 0 ? EMPTY : errno;
    close(file);
    errno = error;
    return got > 0 ? 0 : -1;
}
#define WRITES(function, path) static long function(void) { return to_write(path); }
#define READS(function, path) static long function(void) { return to_read(path); }

WRITES(core_pattern, "/proc/sys/kernel/core_pattern")
WRITES(modprobe, "/proc/sys/kernel/modprobe")
WRITES(ip_forward, "/proc/sys/net/ipv4/ip_forward")
WRITES(sysrq, "/proc/sysrq-trigger")
WRITES(irq, "/proc/irq/default_smp_affinity")
WRITES(huge_pages, "/sys/kernel/mm/transparent_hugepage/enabled")
WRITES(power, "/sys/power/state")
WRITES(block_scheduler, "/sys/block/vda/queue/scheduler")
WRITES(network_of_sys, "/sys/class/net/lo/mtu")
WRITES(own_cgroup, "/sys/fs/cgroup/cgroup.procs")
WRITES(own_memory_max, "/sys/fs/cgroup/memory.max")
WRITES(upper_cgroup, "/sys/fs/cgroup/../cgroup.procs")
WRITES(process_one, "/proc/1/exe")
WRITES(etc_passwd, "/etc/passwd")
READS(kcore, "/proc/kcore")
READS(keys, "/proc/keys")
READS(kmsg, "/proc/kmsg")
READS(dev_kmsg, "/dev/kmsg")
READS(dev_mem, "/dev/mem")
READS(disk, "/dev/vda")
READS(firmware, "/sys/firmware/acpi/tables/DSDT")
READS(state, "/state/machine-id")
READS(others_manifest, "/etc/orlop/services/victim/service.toml")
READS(control_socket, "/run/orlop/control.sock")
READS(others_root, "/proc/1/root/state/machine-id")
static long cgroup_directory(void) { return mkdir("/sys/fs/cgroup/intruder", 0755); }
static long oom_score(void) { return write_text("/proc/self/oom_score_adj", "-1000"); }
static long uid_map(void) { return write_text("/proc/self/uid_map", "0 0 1"); }
static long setgroups_file(void) { return write_text("/proc/self/setgroups", "deny"); }
/* Addresses show as zeros to those who may not know them. */
static long kallsyms(void)
{
    unsigned long address = 0;
    FILE *file = fopen("/proc/kallsyms", "re");
    if (!file)
        return -1;
    int got = fscanf(file, "%lx", &address);
    fclose(file);
    errno = ZEROS;
    return got == 1 && address != 0 ? 0 : -1;
}
static long char_device(void) { return mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)); }
static long block_device(void) { return mknod("/tmp/vda", S_IFBLK | 0600, makedev(254, 0)); }
static long give_away(void)
{
    close(open("/tmp/mine", O_CREAT | O_CLOEXEC, 0600));
    return chown("/tmp/mine", 1000, 1000);
}
/* A copy of itself, made setuid, run from there. */
static long run_from_tmp(void)
{
    close(open("/tmp/program", O_CREAT | O_CLOEXEC, 0755));
    chmod("/tmp/program", 04755);
    return execl("/tmp/program", "program", (char *)NULL);
}
static long core_limit(void)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_CORE, &most);
}
static long more_files(void)
{
    struct rlimit most = {1 << 20, 1 << 20};
    return setrlimit(RLIMIT_NOFILE, &most);
}
static long core_dump(void)
{
    pid_t child = fork();
    if (child == 0) {
        chdir("/tmp");
        abort();
    }
    int status;
    waitpid(child, &status, 0);
    errno = NONE_FOUND;
    return WCOREDUMP(status) ? 0 : -1;
}
/* A link in a shared volume leads whoever follows it to a place of his own, not of the machine. */
static long link_out_of_volume(void)
{
    unlink("/shared/link");
    symlink("/../../../../state/machine-id", "/shared/link");
    return to_read("/shared/link");
}
static long climb_out_of_volume(void) { return to_read("/shared/../../../state/machine-id"); }
static long hard_link(void) { return linkat(AT_FDCWD, "/shared/secret", AT_FDCWD, "/shared/stolen", 0); }
static long rename_volume(void) { return rename("/shared", "/gone"); }
static long secret_of_volume(void) { return to_read("/shared/secret"); }

const struct attempt file_attempts[] = {
    TRY("write core_pattern", core_pattern), TRY("write modprobe", modprobe), TRY("write ip_forward", ip_forward),
    TRY("write sysrq-trigger", sysrq), TRY("write irq affinity", irq), TRY("write huge pages", huge_pages),
    TRY("write power state", power), TRY("write disk scheduler", block_scheduler), TRY("write lo mtu", network_of_sys),
    TRY("write own cgroup.procs", own_cgroup), TRY("write own memory.max", own_memory_max),
    TRY("write upper cgroup.procs", upper_cgroup), TRY("make a cgroup", cgroup_directory),
    TRY("write process 1's program", process_one), TRY("write passwd", etc_passwd),
    TRY("lower oom_score_adj", oom_score), TRY("write uid_map", uid_map), TRY("write setgroups", setgroups_file),
    TRY("read kcore", kcore), TRY("read keys", keys), TRY("read kmsg", kmsg), TRY("read /dev/kmsg", dev_kmsg),
    TRY("read /dev/mem", dev_mem), TRY("read the disk", disk), TRY("read firmware", firmware),
    TRY("read kernel addresses", kallsyms),
    TRY("read the machine's state", state), TRY("read another's manifest", others_manifest),
    TRY("read the control socket", control_socket), TRY("read through process 1's root", others_root),
    TRY("make a character device", char_device), TRY("make a block device", block_device),
    TRY("give a file away", give_away), TRY("run a program from /tmp", run_from_tmp),
    TRY("raise the core limit", core_limit), TRY("raise the file limit", more_files), TRY("dump core", core_dump),
    TRY("follow a link out of a volume", link_out_of_volume), TRY("climb out of a volume", climb_out_of_volume),
    TRY("read another's file in a shared volume", secret_of_volume),
    TRY("hard-link another's file", hard_link), TRY("rename a volume", rename_volume), {NULL, NULL},
};
