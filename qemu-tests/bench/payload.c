/* The service of the benchmark: notes when its main() begins, then waits for its end.
 *
 * The note is its own name (comm of proc(5)), "b" and the microseconds of CLOCK_BOOTTIME: a service
 * without any grant, a process of the floor and one of busybox can all write that, at the same
 * price, and agent.c reads it from outside when the measurement is over. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void leave(int signal)
{
	(void)signal;
	_exit(0);
}

int main(void)
{
	struct timespec now;
	char name[16];

	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(name, sizeof name, "b%lld", now.tv_sec * 1000000LL + now.tv_nsec / 1000);
	prctl(PR_SET_NAME, name);
	/* As pid 1 of its namespace it gets no signal that it does not catch. */
	signal(SIGTERM, leave);
	for (;;)
		pause();
}
