/* The bridge and a veth for each service. */
#include "floor.h"
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

enum { ACK = NLM_F_ACK, NEW = NLM_F_CREATE | NLM_F_EXCL, CONTAINER_LINK = 2 };

static int route = -1;
static unsigned bridge;

static void add_address(struct message *m, unsigned link, uint32_t address)
{
	struct ifaddrmsg body = { .ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = link };
	uint32_t broadcast = htonl(address | 0xffff);

	address = htonl(address);
	begin(m, RTM_NEWADDR, ACK | NEW, &body, sizeof body);
	put(m, IFA_LOCAL, &address, 4);
	put(m, IFA_ADDRESS, &address, 4);
	put(m, IFA_BROADCAST, &broadcast, 4);
	end(m);
}

static void set_up(struct message *m, unsigned link)
{
	struct ifinfomsg body = { .ifi_index = link, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	begin(m, RTM_NEWLINK, ACK, &body, sizeof body);
	end(m);
}

static void hardware_of(uint32_t address, unsigned char hardware[6])
{
	hardware[0] = 0x02;
	hardware[1] = 0x4f;
	address = htonl(address);
	memcpy(hardware + 2, &address, 4);
}

void bridge_up(void)
{
	static const char *const settings[][2] = {
		{ "ip_forward", "1" },
		{ "conf/all/rp_filter", "2" },
		{ "conf/default/rp_filter", "2" },
		{ "conf/all/accept_redirects", "0" },
		{ "conf/default/accept_redirects", "0" },
		{ "conf/all/send_redirects", "0" },
		{ "conf/default/send_redirects", "0" },
		{ "conf/all/accept_source_route", "0" },
		{ "conf/default/accept_source_route", "0" },
	};
	static struct message m;
	struct ifinfomsg link = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	unsigned char hardware[6];
	char path[64];
	size_t info;

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", settings[i][0]);
		must(write_file(AT_FDCWD, path, settings[i][1]), path);
	}
	route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	must(route >= 0, "a netlink socket");
	set_up(&m, 1);
	begin(&m, RTM_NEWLINK, ACK | NEW, &link, sizeof link);
	put_string(&m, IFLA_IFNAME, "orlop0");
	hardware_of(BRIDGE_NET, hardware);
	put(&m, IFLA_ADDRESS, hardware, 6);
	info = nest(&m, IFLA_LINKINFO);
	put_string(&m, IFLA_INFO_KIND, "bridge");
	nest_end(&m, info);
	end(&m);
	exchange(route, &m, m.sequence, "the bridge");
	m.length = 0;
	bridge = if_nametoindex("orlop0");
	add_address(&m, bridge, BRIDGE_NET);
	set_up(&m, if_nametoindex("eth0"));
	exchange(route, &m, m.sequence, "the bridge's address");
	must(write_file(AT_FDCWD, "/proc/sys/net/ipv4/conf/orlop0/route_localnet", "1"), "route_localnet");
}

void attach(struct service *service, unsigned number)
{
	static struct message m;
	struct ifinfomsg host = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct ifinfomsg peer = { .ifi_index = CONTAINER_LINK };
	struct rtmsg way = {
		.rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_type = RTN_UNICAST,
	};
	uint32_t router = htonl(BRIDGE_NET), address = BRIDGE_NET + 1 + number;
	unsigned char hardware[6];
	size_t info, kind, other;
	char name[16];

	hardware_of(address, hardware);
	snprintf(name, sizeof name, "veth%u", number);
	m.length = 0;
	begin(&m, RTM_NEWLINK, ACK | NEW, &host, sizeof host);
	put_string(&m, IFLA_IFNAME, name);
	put_u32(&m, IFLA_MASTER, bridge);
	info = nest(&m, IFLA_LINKINFO);
	put_string(&m, IFLA_INFO_KIND, "veth");
	kind = nest(&m, IFLA_INFO_DATA);
	other = nest(&m, VETH_INFO_PEER);
	memcpy(m.bytes + m.length, &peer, sizeof peer);
	m.length += sizeof peer;
	put_string(&m, IFLA_IFNAME, "eth0");
	put(&m, IFLA_ADDRESS, hardware, 6);
	put_u32(&m, IFLA_NET_NS_FD, service->net);
	nest_end(&m, other);
	nest_end(&m, kind);
	nest_end(&m, info);
	end(&m);
	exchange(route, &m, m.sequence, "a veth");

	m.length = 0;
	set_up(&m, 1);
	add_address(&m, CONTAINER_LINK, address);
	set_up(&m, CONTAINER_LINK);
	begin(&m, RTM_NEWROUTE, ACK | NEW, &way, sizeof way);
	put(&m, RTA_GATEWAY, &router, 4);
	put_u32(&m, RTA_OIF, CONTAINER_LINK);
	end(&m);
	exchange(service->netlink, &m, m.sequence, "a service's own network");
}
