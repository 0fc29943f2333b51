/* Other services and the machine: sockets, processes, signals. */
#include "intruder.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static long packet(void) { return socket(AF_PACKET, SOCK_RAW, htons(3)); }
static long packet_datagram(void) { return socket(AF_PACKET, SOCK_DGRAM, htons(3)); }
static long raw_icmp(void) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static long raw_ip6(void) { return socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6); }
static long vsock(void) { return socket(40 /* AF_VSOCK */, SOCK_STREAM, 0); }
static long can(void) { return socket(AF_CAN, SOCK_RAW, 1); }
/* Asks the kernel for something, and what it says to that. */
static long ask_netlink(int protocol, const void *ask, size_t length)
{
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[256]; } answer;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (netlink < 0 || send(netlink, ask, length, 0) < 0 || recv(netlink, &answer, sizeof answer, 0) < 0)
        return -1;
    close(netlink);
    errno = answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : 0;
    return errno ? -1 : 0;
}
static long new_link(void)
{
    struct { struct nlmsghdr head; struct ifinfomsg link; } lo_down = {
        .head = {sizeof lo_down, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = IFF_UP},
    };
    return ask_netlink(NETLINK_ROUTE, &lo_down, sizeof lo_down);
}
static long audit(void)
{
    struct nlmsghdr status = {sizeof status, 1000 /* AUDIT_GET */, NLM_F_REQUEST | NLM_F_ACK, 1, 0};
    return ask_netlink(NETLINK_AUDIT, &status, sizeof status);
}

static long abstract_socket(void)
{
    struct sockaddr_un address = {AF_UNIX, "\0victim"};
    int own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long result = connect(own, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 7);
    int error = errno;
    close(own);
    errno = error;
    return result;
}
/* The machine itself, at the bridge's first address: its input chain is closed. */
static long machine_port(void)
{
    struct sockaddr_in address = {AF_INET, htons(22), {inet_addr("172.29.0.1")}, {0}};
    struct timeval limit = {1, 0};
    int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(own, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    long result = connect(own, (struct sockaddr *)&address, sizeof address);
    int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(own);
    errno = error;
    return result;
}
/* Any process that is neither this one nor its ancestor in the container. */
static long each_process(long (*reaches)(pid_t))
{
    for (pid_t pid = 1; pid < 5000; pid++)
        if (pid != getpid() && pid != getppid() && pid != 1 && reaches(pid) == 0)
            return 0;
    errno = NONE_FOUND;
    return -1;
}
static long signals_reach(pid_t pid) { return kill(pid, 0); }
static long signal_others(void) { return each_process(signals_reach); }
static long environment_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    return access(path, F_OK);
}
static long others_environment(void) { return each_process(environment_of); }

const struct attempt reach_attempts[] = {
    TRY("packet socket", packet), TRY("packet datagram socket", packet_datagram), TRY("raw ICMP", raw_icmp),
    TRY("raw ICMPv6", raw_ip6), TRY("vsock", vsock), TRY("CAN socket", can), TRY("ask audit", audit),
    TRY("change a link", new_link), TRY("another's abstract socket", abstract_socket),
    TRY("a port of the machine", machine_port), TRY("signal others", signal_others),
    TRY("others' environment", others_environment), {NULL, NULL},
};
