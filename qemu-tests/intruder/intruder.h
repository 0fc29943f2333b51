/* What an intruder tries, each a function: 0 when it came through, -1 and errno when not. */
#pragma once

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attempt {
    const char *name;
    long (*run)(void);
};

/* Ends with a null name. */
extern const struct attempt kernel_attempts[];
extern const struct attempt file_attempts[];
extern const struct attempt reach_attempts[];

/* One line of a battery's table. */
#define TRY(title, call) { title, call }

/* Answers that are no errno. */
#define NONE_FOUND 10001
#define EMPTY 10002
#define ZEROS 10003

int hog(const char *what);
int attack(int argc, char **argv);
