/* Takes as much as it gets of one thing and says where it ended. */
#include "intruder.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BLOCK (1 << 20)

static int end(const char *what, long count)
{
    printf("%s: %ld, then %s\n", what, count, strerror(errno));
    puts("hog over");
    fflush(stdout);
    return 0;
}

static int forks(void)
{
    long count = 0;
    while (fork() > 0)
        count++;
    if (errno != EAGAIN && errno != ENOMEM) {
        pause();
        _exit(0);
    }
    int error = errno;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0)
        ;
    errno = error;
    return end("processes", count);
}

static long take(long most)
{
    long count = 0;
    for (; count < most; count++) {
        void *block = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            break;
        memset(block, 1, BLOCK);
    }
    return count;
}

/* Never comes back: it is killed. */
static int memory(void) { return end("MiB of memory", take(1L << 40)); }

/* Many processes of 8 MiB each: each is smaller than its neighbours, all of them are not. */
static _Noreturn int small_memory(void)
{
    for (;;) {
        pid_t child = fork();
        if (child < 0)
            pause();
        if (child == 0) {
            take(8);
            pause();
        }
    }
}

static int files(void)
{
    long count = 0;
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        count++;
    return end("files", count);
}

static int fill(const char *path)
{
    static char block[BLOCK];
    long count = 0;
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(file, block, BLOCK) > 0)
        count++;
    int error = errno;
    unlink(path);
    errno = error;
    return end(path, count);
}

static int processor(void)
{
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            /* Sessions are what the kernel groups processes by when nobody else does. */
            setsid();
            for (;;)
                ;
        }
    pause();
    return 0;
}

static int log_lines(void)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    long count = 0;
    for (; count < 64 * 1024; count++)
        if (write(1, line, sizeof line) < 0)
            break;
    errno = 0;
    return end("KiB of log", count);
}

int hog(const char *what)
{
    if (!strcmp(what, "forks"))
        return forks();
    if (!strcmp(what, "memory"))
        return memory();
    if (!strcmp(what, "small-memory"))
        return small_memory();
    if (!strcmp(what, "files"))
        return files();
    if (!strcmp(what, "processor"))
        return processor();
    if (!strcmp(what, "log"))
        return log_lines();
    return fill(what);
}
