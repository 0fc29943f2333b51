/* The table `inet orlop` as init/src/network/nft/ruleset.rs has it when nothing is published. */
#include "floor.h"
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct message rules;

static void nft(unsigned type, unsigned flags)
{
	struct nfgenmsg body = { .nfgen_family = NFPROTO_INET };

	begin(&rules, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &body, sizeof body);
}

static void batch(unsigned type)
{
	struct nfgenmsg body = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	begin(&rules, type, 0, &body, sizeof body);
	end(&rules);
}

static void be(unsigned type, uint32_t value)
{
	put_u32(&rules, type, htonl(value));
}

static void table(unsigned type, unsigned flags)
{
	nft(type, flags);
	put_string(&rules, NFTA_TABLE_NAME, "orlop");
	end(&rules);
}

static void chain(const char *name, const char *kind, unsigned hook, int priority, int drop)
{
	nft(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_string(&rules, NFTA_CHAIN_TABLE, "orlop");
	put_string(&rules, NFTA_CHAIN_NAME, name);
	if (kind) {
		size_t start = nest(&rules, NFTA_CHAIN_HOOK);

		be(NFTA_HOOK_HOOKNUM, hook);
		be(NFTA_HOOK_PRIORITY, priority);
		nest_end(&rules, start);
		be(NFTA_CHAIN_POLICY, drop ? NF_DROP : NF_ACCEPT);
		put_string(&rules, NFTA_CHAIN_TYPE, kind);
	}
	end(&rules);
}

static size_t expressions;

static void rule(const char *name)
{
	nft(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	put_string(&rules, NFTA_RULE_TABLE, "orlop");
	put_string(&rules, NFTA_RULE_CHAIN, name);
	expressions = nest(&rules, NFTA_RULE_EXPRESSIONS);
}

static void rule_end(void)
{
	nest_end(&rules, expressions);
	end(&rules);
}

/* One expression: its name and up to four numbers, each attribute as its place in `values`. */
static size_t element, data;

static void expression(const char *name)
{
	element = nest(&rules, NFTA_LIST_ELEM);
	put_string(&rules, NFTA_EXPR_NAME, name);
	data = nest(&rules, NFTA_EXPR_DATA);
}

static void expression_end(void)
{
	nest_end(&rules, data);
	nest_end(&rules, element);
}

static void value(unsigned type, const void *bytes, size_t size)
{
	size_t start = nest(&rules, type);

	put(&rules, NFTA_DATA_VALUE, bytes, size);
	nest_end(&rules, start);
}

static void compare(unsigned operation, const void *bytes, size_t size)
{
	expression("cmp");
	be(NFTA_CMP_SREG, NFT_REG_1);
	be(NFTA_CMP_OP, operation);
	value(NFTA_CMP_DATA, bytes, size);
	expression_end();
}

static void mask(const void *bytes, size_t size)
{
	static const char zero[4];

	expression("bitwise");
	be(NFTA_BITWISE_SREG, NFT_REG_1);
	be(NFTA_BITWISE_DREG, NFT_REG_1);
	be(NFTA_BITWISE_LEN, size);
	value(NFTA_BITWISE_MASK, bytes, size);
	value(NFTA_BITWISE_XOR, zero, size);
	expression_end();
}

static void load(const char *name, unsigned destination, unsigned key_type, unsigned key)
{
	expression(name);
	be(destination, NFT_REG_1);
	be(key_type, key);
	expression_end();
}

static void meta(unsigned key, unsigned operation, const void *bytes, size_t size)
{
	load("meta", NFTA_META_DREG, NFTA_META_KEY, key);
	compare(operation, bytes, size);
}

static void family(uint8_t protocol)
{
	meta(NFT_META_NFPROTO, NFT_CMP_EQ, &protocol, 1);
}

static void link_name(unsigned key, unsigned operation, const char *name)
{
	char padded[16] = { 0 };

	strncpy(padded, name, sizeof padded - 1);
	meta(key, operation, padded, sizeof padded);
}

static void any_of(unsigned key, uint32_t bits)
{
	uint32_t none = 0;

	load("ct", NFTA_CT_DREG, NFTA_CT_KEY, key);
	mask(&bits, 4);
	compare(NFT_CMP_NEQ, &none, 4);
}

static void payload(unsigned base, unsigned offset, unsigned size)
{
	expression("payload");
	be(NFTA_PAYLOAD_DREG, NFT_REG_1);
	be(NFTA_PAYLOAD_BASE, base);
	be(NFTA_PAYLOAD_OFFSET, offset);
	be(NFTA_PAYLOAD_LEN, size);
	expression_end();
}

static void address(unsigned offset, unsigned operation, uint32_t network, unsigned prefix)
{
	uint32_t bits = htonl(0xffffffff << (32 - prefix));

	network = htonl(network) & bits;
	payload(NFT_PAYLOAD_NETWORK_HEADER, offset, 4);
	mask(&bits, 4);
	compare(operation, &network, 4);
}

static void icmp(uint8_t net, uint8_t protocol, uint8_t first, uint8_t last)
{
	family(net);
	meta(NFT_META_L4PROTO, NFT_CMP_EQ, &protocol, 1);
	payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
	compare(first == last ? NFT_CMP_EQ : NFT_CMP_GTE, &first, 1);
	if (first != last)
		compare(NFT_CMP_LTE, &last, 1);
}

static void verdict(int code, const char *jump)
{
	size_t outer, inner;

	expression("immediate");
	be(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	outer = nest(&rules, NFTA_IMMEDIATE_DATA);
	inner = nest(&rules, NFTA_DATA_VERDICT);
	be(NFTA_VERDICT_CODE, code);
	if (jump)
		put_string(&rules, NFTA_VERDICT_CHAIN, jump);
	nest_end(&rules, inner);
	nest_end(&rules, outer);
	expression_end();
	rule_end();
}

static void masquerade(void)
{
	expression("masq");
	expression_end();
	rule_end();
}

enum { STATE = NFT_CT_STATE, STATUS = NFT_CT_STATUS, INVALID = 1, KNOWN = 2 | 4, DNAT = 1 << 5 };
enum { SOURCE = 12, DESTINATION = 16, LOOPBACK = 0x7f000000 };
enum { IIF = NFT_META_IIFNAME, OIF = NFT_META_OIFNAME };

static void input_rules(void)
{
	static const uint8_t icmpv6[][2] = { { 1, 4 }, { 128, 128 }, { 133, 136 } };

	rule("input"), link_name(IIF, NFT_CMP_EQ, "lo"), verdict(NF_ACCEPT, NULL);
	rule("input"), any_of(STATE, KNOWN), verdict(NF_ACCEPT, NULL);
	rule("input"), any_of(STATE, INVALID), verdict(NF_DROP, NULL);
	rule("input"), link_name(IIF, NFT_CMP_EQ, "orlop0"), verdict(NF_DROP, NULL);
	rule("input"), icmp(NFPROTO_IPV4, IPPROTO_ICMP, 8, 8), verdict(NF_ACCEPT, NULL);
	for (size_t i = 0; i < sizeof icmpv6 / sizeof *icmpv6; i++) {
		rule("input"), icmp(NFPROTO_IPV6, IPPROTO_ICMPV6, icmpv6[i][0], icmpv6[i][1]);
		verdict(NF_ACCEPT, NULL);
	}
}

static void from_bridge(const char *name)
{
	rule(name), link_name(IIF, NFT_CMP_EQ, "orlop0"), family(NFPROTO_IPV4);
}

static void to_bridge(unsigned operation)
{
	rule("postrouting"), link_name(OIF, operation, "orlop0"), family(NFPROTO_IPV4);
}

static void other_rules(void)
{
	static const char *const translated[] = { "prerouting", "output" };
	uint32_t local = RTN_LOCAL;

	from_bridge("spoofed"), address(SOURCE, NFT_CMP_NEQ, BRIDGE_NET, 16), verdict(NF_DROP, NULL);
	from_bridge("spoofed"), address(DESTINATION, NFT_CMP_EQ, LOOPBACK, 8), verdict(NF_DROP, NULL);
	rule("forward"), any_of(STATE, INVALID), verdict(NF_DROP, NULL);
	rule("forward"), any_of(STATE, KNOWN), verdict(NF_ACCEPT, NULL);
	rule("forward"), any_of(STATUS, DNAT), verdict(NF_ACCEPT, NULL);
	from_bridge("forward"), verdict(NF_ACCEPT, NULL);
	for (size_t i = 0; i < sizeof translated / sizeof *translated; i++) {
		rule(translated[i]), family(NFPROTO_IPV4);
		expression("fib");
		be(NFTA_FIB_DREG, NFT_REG_1);
		be(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
		be(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
		expression_end();
		compare(NFT_CMP_EQ, &local, 4);
		verdict(NFT_JUMP, "published");
	}
	to_bridge(NFT_CMP_NEQ), address(SOURCE, NFT_CMP_EQ, BRIDGE_NET, 16), masquerade();
	to_bridge(NFT_CMP_EQ), address(SOURCE, NFT_CMP_EQ, BRIDGE_NET, 16), any_of(STATUS, DNAT);
	masquerade();
	to_bridge(NFT_CMP_EQ), address(SOURCE, NFT_CMP_EQ, LOOPBACK, 8), masquerade();
}

void load_rules(void)
{
	int netfilter = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct nlmsghdr *last;

	must(netfilter >= 0, "a netfilter socket");
	batch(NFNL_MSG_BATCH_BEGIN);
	table(NFT_MSG_NEWTABLE, NLM_F_CREATE);
	table(NFT_MSG_DELTABLE, 0);
	table(NFT_MSG_NEWTABLE, NLM_F_CREATE);
	chain("spoofed", "filter", NF_INET_PRE_ROUTING, -300, 0);
	chain("input", "filter", NF_INET_LOCAL_IN, 0, 1);
	chain("forward", "filter", NF_INET_FORWARD, 0, 1);
	chain("prerouting", "nat", NF_INET_PRE_ROUTING, -100, 0);
	chain("output", "nat", NF_INET_LOCAL_OUT, -100, 0);
	chain("postrouting", "nat", NF_INET_POST_ROUTING, 100, 0);
	chain("published", NULL, 0, 0, 0);
	input_rules();
	other_rules();
	last = (struct nlmsghdr *)(rules.bytes + rules.header);
	last->nlmsg_flags |= NLM_F_ACK;
	batch(NFNL_MSG_BATCH_END);
	exchange(netfilter, &rules, last->nlmsg_seq, "the rules");
	close(netfilter);
}
