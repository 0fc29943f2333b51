/* The device filter of a cgroup: the program of init/container/src/devices/program.rs for OCI's
 * default devices, loaded once and attached to each. */
#include "floor.h"
#include <linux/bpf.h>
#include <sys/syscall.h>

enum { RESULT, CONTEXT, KIND, ASKED, MAJOR, MINOR, ANY = -1 };

static const int devices[][2] = {
	{ 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 2 }, { 136, ANY },
};

static struct bpf_insn code[64];
static size_t length;

static void add(int operation, int to, int from, int offset, int immediate)
{
	code[length++] = (struct bpf_insn){ operation, to, from, offset, immediate };
}

/* What is not `value` goes on behind the rule, which ends with this many more instructions. */
static void unequal(int what, int value, int more)
{
	add(BPF_JMP | BPF_JNE | BPF_K, what, 0, more, value);
}

static void allow(const int *device)
{
	int minor = device[1] != ANY;

	unequal(KIND, BPF_DEVCG_DEV_CHAR, 2 + minor);
	unequal(MAJOR, device[0], 1 + minor);
	if (minor)
		unequal(MINOR, device[1], 1);
	add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int load(void)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)code,
		.license = (uintptr_t)"Apache-2.0",
	};

	add(BPF_LDX | BPF_MEM | BPF_W, KIND, CONTEXT, 0, 0);
	add(BPF_ALU64 | BPF_MOV | BPF_X, ASKED, KIND, 0, 0);
	add(BPF_ALU64 | BPF_RSH | BPF_K, ASKED, 0, 0, 16);
	add(BPF_ALU64 | BPF_AND | BPF_K, KIND, 0, 0, 0xffff);
	add(BPF_LDX | BPF_MEM | BPF_W, MAJOR, CONTEXT, 4, 0);
	add(BPF_LDX | BPF_MEM | BPF_W, MINOR, CONTEXT, 8, 0);
	add(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, 1);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		allow(devices[i]);
	add(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, 0);
	add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	attr.insn_cnt = length;
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

void restrict_devices(int cgroup)
{
	static int program = -1;
	union bpf_attr attr = { .target_fd = cgroup, .attach_type = BPF_CGROUP_DEVICE };

	if (program < 0)
		program = load();
	must(program >= 0, "the device filter");
	attr.attach_bpf_fd = program;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	must(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) == 0, "attaching the device filter");
}
