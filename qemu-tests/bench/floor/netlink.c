/* netlink(7) messages: a header, a fixed body, attributes. */
#include "floor.h"
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

static void append(struct message *message, const void *bytes, size_t size)
{
	must(message->length + NLMSG_ALIGN(size) <= sizeof message->bytes, "a netlink message");
	memcpy(message->bytes + message->length, bytes, size);
	memset(message->bytes + message->length + size, 0, NLMSG_ALIGN(size) - size);
	message->length += NLMSG_ALIGN(size);
}

void begin(struct message *message, unsigned type, unsigned flags, const void *body, size_t size)
{
	struct nlmsghdr header = {
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
		.nlmsg_seq = ++message->sequence,
	};

	message->header = message->length;
	append(message, &header, sizeof header);
	append(message, body, size);
}

void put(struct message *message, unsigned type, const void *value, size_t size)
{
	struct nlattr attribute = { .nla_len = sizeof attribute + size, .nla_type = type };

	append(message, &attribute, sizeof attribute);
	append(message, value, size);
}

void put_string(struct message *message, unsigned type, const char *value)
{
	put(message, type, value, strlen(value) + 1);
}

void put_u32(struct message *message, unsigned type, uint32_t value)
{
	put(message, type, &value, sizeof value);
}

size_t nest(struct message *message, unsigned type)
{
	size_t start = message->length;

	put(message, type | NLA_F_NESTED, "", 0);
	return start;
}

void nest_end(struct message *message, size_t start)
{
	struct nlattr *attribute = (struct nlattr *)(message->bytes + start);

	attribute->nla_len = message->length - start;
}

void end(struct message *message)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(message->bytes + message->header);

	header->nlmsg_len = message->length - message->header;
}

void exchange(int socket, const struct message *message, unsigned sequence, const char *what)
{
	static unsigned char answer[65536];

	must(send(socket, message->bytes, message->length, 0) == (ssize_t)message->length, what);
	for (;;) {
		/* The socket that the holder opened does not block; the kernel has answered in send(). */
		ssize_t got = recv(socket, answer, sizeof answer, 0);

		must(got > 0, what);
		for (size_t at = 0; at + sizeof(struct nlmsghdr) <= (size_t)got;) {
			struct nlmsghdr *header = (struct nlmsghdr *)(answer + at);

			if (header->nlmsg_type == NLMSG_ERROR) {
				errno = -*(int *)NLMSG_DATA(header);
				must(errno == 0, what);
				if (header->nlmsg_seq == sequence)
					return;
			}
			at += NLMSG_ALIGN(header->nlmsg_len);
		}
	}
}
