/* intruder battery | hog WHAT | NAME...: prints "attempt: what came of it", a line each. */
#include "intruder.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static const struct { long number; const char *name; } NAMES[] = {
    {0, "ok"}, {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EIO, "EIO"}, {ENXIO, "ENXIO"},
    {EBADF, "EBADF"}, {ECHILD, "ECHILD"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"},
    {EFAULT, "EFAULT"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"}, {ENODEV, "ENODEV"}, {ENOEXEC, "ENOEXEC"}, {ENOKEY, "ENOKEY"}, {ESTALE, "ESTALE"},
    {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {EMFILE, "EMFILE"}, {ENOTTY, "ENOTTY"},
    {ETXTBSY, "ETXTBSY"}, {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {ENOSYS, "ENOSYS"}, {ELOOP, "ELOOP"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"}, {EAFNOSUPPORT, "EAFNOSUPPORT"}, {EOPNOTSUPP, "EOPNOTSUPP"},
    {ECONNREFUSED, "ECONNREFUSED"}, {ENETUNREACH, "ENETUNREACH"}, {EHOSTUNREACH, "EHOSTUNREACH"},
    {ETIMEDOUT, "ETIMEDOUT"}, {NONE_FOUND, "none found"}, {EMPTY, "empty"}, {ZEROS, "zeros"},
};

static void say(const char *attempt, long result)
{
    long number = result < 0 ? errno : 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (NAMES[i].number == number) {
            printf("%s: %s\n", attempt, NAMES[i].name);
            return;
        }
    }
    printf("%s: errno %ld\n", attempt, number);
}

static const struct attempt *const ALL[] = {kernel_attempts, file_attempts, reach_attempts};

/* In a process of its own, and mounts of its own where that is let: what comes through must not help
 * the next one. */
static void attempt(const struct attempt *one)
{
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) == 0)
            mount("", "/", "", MS_REC | MS_PRIVATE, "");
        errno = 0;
        long result = one->run();
        say(one->name, result);
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void battery(const char *only)
{
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        for (const struct attempt *one = ALL[i]; one->name; one++)
            if (!only || !strcmp(only, one->name)) {
                attempt(one);
            }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "hog"))
        return hog(argv[2]);
    if (argc >= 3 && !strcmp(argv[1], "attack"))
        return attack(argc - 2, argv + 2);
    if (argc == 2 && !strcmp(argv[1], "battery")) {
        battery(NULL);
        puts("battery over");
        return 0;
    }
    for (int i = 1; i < argc; i++)
        battery(argv[i]);
    return 0;
}
