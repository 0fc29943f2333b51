/* Runs a command some times, one after the other, and prints how many nanoseconds each took from its
 * start to its end. `timer COUNT FILE COMMAND...`: FILE is open for reading as descriptor 9 of each,
 * for bubblewrap's --seccomp; /dev/null for the others. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **words)
{
	if (count < 4)
		return 2;
	for (int left = atoi(words[1]); left > 0; left--) {
		long long begin = now();
		int file = open(words[2], O_RDONLY | O_CLOEXEC), status;
		pid_t pid;

		dup2(file, 9);
		if (posix_spawnp(&pid, words[3], NULL, NULL, words + 3, environ) != 0)
			return 127;
		if (waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
		printf("%lld\n", now() - begin);
		close(file);
	}
	return 0;
}
