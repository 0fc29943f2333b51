/* The floor: a PID 1 that makes the system calls of ten isolated services and nothing else. What it
 * takes is the kernel's price; what Orlop takes above it is Orlop's. See docs/benchmarks.md. */
#ifndef FLOOR_H
#define FLOOR_H

#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { SERVICES = 10, ID_COUNT = 65536, BRIDGE_NET = 0xac1d0001 /* 172.29.0.1 */ };

/* One service: what is kept for it, as Orlop keeps it over restarts. */
struct service {
	char name[8];
	unsigned id_base;
	int cgroup;         /* its directory */
	int holder;         /* socket of the child that makes the namespaces */
	int user, net;      /* the namespaces */
	int netlink;        /* a NETLINK_ROUTE socket of `net` */
	int out[2], err[2]; /* pipes */
	int report;         /* reading end; its end is execve */
	pid_t pid;          /* the main process */
};

/* Where things are, and whether cgroups have limits: init.c in a machine, native.c on the workstation. */
extern const char *image, *staging, *cgroups, *program;
extern int limited;

/* Ends the machine with a sentence when a call has failed. */
void must(int good, const char *what);
/* Writes a whole file; its errno is not asked for where the kernel may lack it. */
int write_file(int directory, const char *path, const char *text);

/* service.c */
void make_cgroup(struct service *service);
void start_holder(struct service *service, int proc);
void finish_holder(struct service *service);
void make_pipes(struct service *service);
void launch(struct service *service, int proc, int bridged);

/* devices.c: the one device filter of all services, loaded at the first. */
void restrict_devices(int cgroup);

/* filesystem.c: the child's mounts, then pivot_root; leaves the caller in the new root. */
void build_root(const struct service *service, int bridged);
int fresh_mount(const char *fstype, unsigned attributes, const char *const *options);

/* network.c */
void bridge_up(void);
void load_rules(void);
void attach(struct service *service, unsigned number);

/* netlink.c: a message under construction, and its way to the kernel. */
struct message {
	unsigned char bytes[16384];
	size_t length, header;
	unsigned sequence;
};
void begin(struct message *message, unsigned type, unsigned flags, const void *body, size_t size);
void put(struct message *message, unsigned type, const void *value, size_t size);
void put_string(struct message *message, unsigned type, const char *value);
void put_u32(struct message *message, unsigned type, uint32_t value);
size_t nest(struct message *message, unsigned type);
void nest_end(struct message *message, size_t start);
void end(struct message *message);
/* Sends all messages in one datagram and waits until `sequence` is acknowledged. */
void exchange(int socket, const struct message *message, unsigned sequence, const char *what);

#endif
