/* What libseccomp and the kernel make of a filter; spoken to over its standard streams, in words.
 *
 *   resolve <arch> <name>                                     -> <number>, or -1
 *   export <default> <foreign> <archs> <arch>... <rules>      -> <length>, then each instruction; 0 when a
 *                                                                rule is refused
 *     then for each rule: <action> <name> <conditions>
 *     then for each condition: <argument> <operation> <first> <second>
 *   run <length> <instruction>... <calls> (<number> <argument>x6)...  -> each call's errno
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what, int code)
{
    fprintf(stderr, "oracle: %s: %s\n", what, strerror(code < 0 ? -code : code));
    exit(1);
}

static uint64_t number(void)
{
    uint64_t value;
    if (scanf("%" SCNu64, &value) != 1)
        fail("a number is missing", EINVAL);
    return value;
}

static char *word(void)
{
    static char text[64];
    if (scanf("%63s", text) != 1)
        fail("a word is missing", EINVAL);
    return text;
}

static void export(void)
{
    uint32_t otherwise = number(), foreign = number();
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, foreign);
    if (code)
        fail("the action of foreign architectures", code);
    if ((code = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE)))
        fail("removing the native architecture", code);
    for (uint64_t left = number(); left; left--)
        if ((code = seccomp_arch_add(filter, seccomp_arch_resolve_name(word()))))
            fail("adding an architecture", code);
    int refused = 0;
    for (uint64_t left = number(); left; left--) {
        uint32_t action = number();
        int call = seccomp_syscall_resolve_name(word());
        unsigned count = number();
        struct scmp_arg_cmp conditions[6];
        for (unsigned at = 0; at < count; at++) {
            conditions[at].arg = number();
            conditions[at].op = number();
            conditions[at].datum_a = number();
            conditions[at].datum_b = number();
        }
        int added = seccomp_rule_add_array(filter, action, call, count, conditions);
        refused = refused ? refused : added;
    }
    if (refused) {
        seccomp_release(filter);
        printf("0\n");
        return;
    }
    FILE *program = tmpfile();
    if ((code = seccomp_export_bpf(filter, fileno(program))))
        fail("exporting", code);
    seccomp_release(filter);
    rewind(program);
    struct sock_filter instructions[BPF_MAXINSNS];
    size_t length = fread(instructions, sizeof *instructions, BPF_MAXINSNS, program);
    fclose(program);
    printf("%zu\n", length);
    for (size_t at = 0; at < length; at++)
        printf("%u %u %u %u\n", instructions[at].code, instructions[at].jt, instructions[at].jf,
               instructions[at].k);
}

/* In a child: the filter stays for ever. Its calls must all be refused, save exit_group. */
static void run(void)
{
    struct sock_filter instructions[BPF_MAXINSNS];
    struct sock_fprog program = {.len = number(), .filter = instructions};
    for (unsigned at = 0; at < program.len; at++) {
        instructions[at].code = number();
        instructions[at].jt = number();
        instructions[at].jf = number();
        instructions[at].k = number();
    }
    uint64_t calls = number();
    uint64_t (*call)[7] = calloc(calls + 1, sizeof *call);
    for (uint64_t at = 0; at < calls; at++)
        for (int part = 0; part < 7; part++)
            call[at][part] = number();
    int *results = mmap(0, (calls + 1) * sizeof *results, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
            fail("installing", errno);
        for (uint64_t at = 0; at < calls; at++) {
            errno = 0;
            long result = syscall((long)call[at][0], call[at][1], call[at][2], call[at][3],
                                  call[at][4], call[at][5], call[at][6]);
            results[at] = result == -1 ? errno : 0;
        }
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status) {
        fprintf(stderr, "oracle: the child ended with status %#x\n", status);
        exit(1);
    }
    for (uint64_t at = 0; at < calls; at++)
        printf("%d\n", results[at]);
    munmap(results, (calls + 1) * sizeof *results);
    free(call);
}

int main(void)
{
    char command[16];
    while (scanf("%15s", command) == 1) {
        if (!strcmp(command, "resolve")) {
            uint32_t arch = seccomp_arch_resolve_name(word());
            printf("%d\n", seccomp_syscall_resolve_name_arch(arch, word()));
        } else if (!strcmp(command, "export")) {
            export();
        } else if (!strcmp(command, "run")) {
            run();
        } else {
            fail(command, EINVAL);
        }
        fflush(stdout);
    }
}
