/* The attacks behind single rules, with arguments. */
#include "intruder.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

struct attributes { unsigned long long set, clear, propagation, userns; };

static void say(const char *what, const char *where, long result)
{
    printf("%s %s: %s\n", what, where, result < 0 ? strerror(errno) : "DONE");
}

/* Every way to take ro, nosuid, nodev and noexec off a mount, and the mount away (rule R23). */
static void undo(const char *path)
{
    static const unsigned long long flags[] = {1, 2, 4, 8};
    char inside[256];
    say("remount", path, mount("", path, "", MS_REMOUNT | MS_BIND, ""));
    say("superblock", path, mount("", path, "", MS_REMOUNT, ""));
    for (int i = 0; i < 4; i++) {
        struct attributes clear = {.clear = flags[i]};
        say("setattr", path, syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &clear, sizeof clear));
        say("setattr recursive", path,
            syscall(SYS_mount_setattr, AT_FDCWD, path, 0x8000 /* AT_RECURSIVE */, &clear, sizeof clear));
    }
    long tree = syscall(SYS_open_tree, AT_FDCWD, path, 1 | 0x8000 /* CLONE, recursive */);
    say("copy", path, tree);
    if (tree >= 0) {
        struct attributes clear = {.clear = 1};
        say("setattr of a copy", path,
            syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &clear, sizeof clear));
    }
    say("move", path, mount(path, "/tmp", "", MS_MOVE, ""));
    say("move_mount", path, syscall(SYS_move_mount, AT_FDCWD, path, AT_FDCWD, "/tmp", 0));
    say("umount", path, umount2(path, 0));
    say("umount lazily", path, umount2(path, MNT_DETACH));
    snprintf(inside, sizeof inside, "%s/intruder", path);
    int file = open(inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    say("write", path, file);
}

struct mount { int id; char place[256], flags[256]; };

static int read_mounts(struct mount *all, int most)
{
    char line[4096];
    int count = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && count < most && fgets(line, sizeof line, file))
        if (sscanf(line, "%d %*d %*s %*s %255s %255s", &all[count].id, all[count].place, all[count].flags) == 3)
            count++;
    if (file)
        fclose(file);
    return count;
}

static int has(const char *flags, const char *flag)
{
    char list[260], *word;
    snprintf(list, sizeof list, "%s", flags);
    for (word = strtok(list, ","); word; word = strtok(NULL, ","))
        if (!strcmp(word, flag))
            return 1;
    return 0;
}

/* Attacks every mount, then counts what is gone: mounts and their flags. */
static void undo_all(void)
{
    static const char *const FLAGS[] = {"ro", "nosuid", "nodev", "noexec"};
    static struct mount before[256], after[256];
    int count = read_mounts(before, 256), undone = 0;
    for (int i = 0; i < count; i++)
        undo(before[i].place);
    int left = read_mounts(after, 256);
    for (int i = 0; i < count; i++) {
        const struct mount *now = NULL;
        for (int j = 0; j < left; j++)
            if (after[j].id == before[i].id)
                now = &after[j];
        if (!now) {
            printf("UNDONE: %s is gone\n", before[i].place);
            undone++;
        }
        for (int f = 0; now && f < 4; f++)
            if (has(before[i].flags, FLAGS[f]) && !has(now->flags, FLAGS[f])) {
                printf("UNDONE: %s lost %s\n", before[i].place, FLAGS[f]);
                undone++;
            }
    }
    printf("undone: %d of %d mounts\n", undone, count);
}

/* For others to reach, until it is killed. */
static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    address.sun_path[0] = 0;
    int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(own, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length);
    say("listen", name, listen(own, 1));
    fflush(stdout);
    pause();
}

/* A detached mount that was handed in as descriptor 3: attached here, it is not locked. */
static void attach_own(void)
{
    struct attributes clear = {.clear = 1};
    say("attach", "/tmp", syscall(SYS_move_mount, 3, "", AT_FDCWD, "/tmp", 4 /* F_EMPTY_PATH */));
    say("setattr", "/tmp", syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, &clear, sizeof clear));
    say("write", "/tmp", open("/tmp/intruder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = 0;
    int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    say("connect", name, connect(own, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length));
}

int attack(int argc, char **argv)
{
    if (!strcmp(argv[0], "undo")) {
        undo_all();
    } else if (!strcmp(argv[0], "listen")) {
        listen_at(argv[1]);
    } else if (!strcmp(argv[0], "attach")) {
        attach_own();
    } else if (!strcmp(argv[0], "connect")) {
        for (int i = 1; i < argc; i++)
            connect_to(argv[i]);
    } else if (!strcmp(argv[0], "rewrite")) {
        /* An O_PATH or read-only descriptor, opened anew for writing. */
        int again = open(argv[1], O_WRONLY | O_TRUNC | O_CLOEXEC);
        say("rewrite", argv[1], again < 0 ? again : write(again, "#!/bin/intruder\n", 16));
    } else if (!strcmp(argv[0], "session")) {
        printf("session %d\n", getsid(0));
    } else if (!strcmp(argv[0], "ids")) {
        printf("uid %d euid %d\n", getuid(), geteuid());
    }
    return 0;
}
