/*
 * lists make KIND COUNT FILE [FILE2 LISTED UNLISTED]
 * lists load FILE
 *
 * Writes lists like those that are to be had, always the same ones, and
 * measures what loading one costs a process that does nothing else.
 *
 * FILE2 is FILE with one line in sixteen replaced; LISTED are addresses that
 * are on both, UNLISTED are neighbours of them that are on neither.
 */
#include <sys/resource.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "iplist.h"
#include "log.h"
#include "proc.h"

static uint64_t seed = 0x5eed;

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* A number below limit; splitmix64, so that every libc writes one list. */
static uint32_t
any(uint32_t limit)
{
	seed += 0x9e3779b97f4a7c15u;
	return (uint32_t)(mix(seed) >> 32) % limit;
}

static FILE *
create(const char *path)
{
	FILE *f = path != NULL ? fopen(path, "w") : NULL;

	if (path != NULL && f == NULL) {
		perror(path);
		exit(EX_CANTCREAT);
	}
	return f;
}

static void
finish(FILE *f, const char *path)
{
	if (f != NULL && (ferror(f) || fclose(f) == EOF)) {
		perror(path);
		exit(EX_IOERR);
	}
}

static void
put_v4(FILE *f, uint32_t v4, int bits)
{
	fprintf(f, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
	    v4 & 255);
	if (bits < 32)
		fprintf(f, "/%d", bits);
	putc('\n', f);
}

/* --- addresses of a botnet */

#define HOSTS_MIN	90	/* in a /16; the most is 32 times that */

struct output {
	FILE *file[2], *listed, *unlisted;
	size_t count;
	double deltas[65536];	/* between neighbours, how often */
};

/* A part of the addresses is on one of the two files only, or on none. */
static void
put_host(struct output *o, uint32_t v4)
{
	unsigned part = o->file[1] != NULL ? mix(v4) & 255 : 255;

	if (part < 8) {
		put_v4(o->unlisted, v4, 32);
		return;
	}
	if (part < 16 || part >= 24) {
		put_v4(o->file[0], v4, 32);
		o->count++;
	}
	if (part >= 16 && o->file[1] != NULL)
		put_v4(o->file[1], v4, 32);
	if (part >= 24 && part < 32)
		put_v4(o->listed, v4, 32);
}

/* Random hosts of one /16, in the order in which they were seen. */
static void
put_cluster(struct output *o, uint32_t network, size_t hosts, size_t count)
{
	static bool used[65536];
	uint32_t last = 0;

	memset(used, 0, sizeof used);
	while (hosts > 0 && o->count < count) {
		uint32_t host = any(65536);

		if (used[host])
			continue;
		used[host] = true;
		put_host(o, network << 16 | host);
		hosts--;
	}
	for (uint32_t host = 0; host < 65536; host++)
		if (used[host]) {
			o->deltas[host - last]++;
			last = host;
		}
}

/* log2(3) without -lm: squaring a number doubles its logarithm. */
static double
logarithm(double x)
{
	double whole = 0, bit = 1;

	for (; x < 1; x *= 2)
		whole--;
	for (; bit > 1e-4; bit /= 2) {
		for (; x >= 2; x /= 2)
			whole += bit;
		x *= x;
	}
	return whole;
}

static double
entropy(const double *often, size_t kinds)
{
	double all = 0, bits = 0;

	for (size_t i = 0; i < kinds; i++)
		all += often[i];
	for (size_t i = 0; i < kinds; i++)
		if (often[i] > 0)
			bits -= often[i] / all * logarithm(often[i] / all);
	return bits;
}

static int
make_v4(size_t count, char **path)
{
	static struct output o;
	static uint16_t network[65536];
	size_t networks = 0;

	for (uint32_t n = 1 << 8; n < 224 << 8; n++)
		if (n >> 8 != 10 && n >> 8 != 127)
			network[networks++] = (uint16_t)n;
	o.file[0] = create(path[0]);
	o.file[1] = create(path[1]);
	o.listed = create(path[2]);
	o.unlisted = create(path[3]);
	while (o.count < count && networks > 0) {
		size_t chosen = any((uint32_t)networks);

		put_cluster(&o, network[chosen], (size_t)HOSTS_MIN << any(6),
		    count);
		network[chosen] = network[--networks];
	}
	finish(o.file[0], path[0]);
	finish(o.file[1], path[1]);
	finish(o.listed, path[2]);
	finish(o.unlisted, path[3]);
	printf("entries=%zu entropy=%.1f\n", o.count,
	    entropy(o.deltas, 65536));
	return EX_OK;
}

/* --- IPv6 networks of a few thousand providers */

static int
make_v6(size_t count, char **path)
{
	static const int kind[] = {
		64, 64, 64, 64, 64, 64, 56, 48, 128, 128
	};
	FILE *f = create(path[0]);

	for (size_t i = 0; i < count; i++) {
		int bits = kind[any(10)];
		uint32_t provider = (uint32_t)mix(any(4000));

		fprintf(f, "%x:%x:%x", 0x2001 + provider % 0xa0f,
		    provider >> 16, any(65536));
		if (bits > 48)
			fprintf(f, ":%x", any(65536) & (bits == 56 ? 0xff00u :
			    0xffffu));
		if (bits == 128)
			fprintf(f, ":%x:%x:%x:%x\n", 1 + any(65535),
			    any(65536), any(65536), 1 + any(65535));
		else
			fprintf(f, "::/%d\n", bits);
	}
	finish(f, path[0]);
	printf("entries=%zu\n", count);
	return EX_OK;
}

/* --- IPv4 networks */

/* How long prefixes are, as in a table of routes: most are /24. */
static int
any_length(void)
{
	static const int length[] = {
		24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
		23, 23, 22, 22, 21, 20, 19, 18, 16,
	};

	return length[any(sizeof length / sizeof length[0])];
}

struct network {
	uint32_t first;
	int bits;
};

/*
 * A walk over the addresses of providers: block by block, and at each a
 * decision whether the next one is a neighbour and whether the provider
 * changes.
 */
static struct network
next_network(uint32_t *at, bool apart)
{
	struct network n = { .bits = any_length() };
	uint32_t size = (uint32_t)1 << (32 - n.bits);

	if (apart || any(2) == 0)
		*at += size + any(16) * 256;
	if (!apart && (any(100) == 0 || *at >= 223u << 24))
		*at = (1 + any(222)) << 24 | any(16) << 20;
	n.first = (*at + size - 1) & ~(size - 1);
	*at = n.first + size;
	return n;
}

/* A few hosts, or a few more: in a network that is listed, or in none. */
static struct network
small_network(const struct network *large, size_t count)
{
	struct network n = { .bits = 24 + (int)any(7) };
	const struct network *in = &large[any((uint32_t)count)];

	if (any(2) == 0)
		n.first = (1 + any(222)) << 24 | any(1 << 24);
	else
		n.first = in->first | any((uint32_t)1 << (32 - in->bits));
	n.first &= ~(uint32_t)0 << (32 - n.bits);
	return n;
}

/*
 * Two feeds in one file: networks that somebody gave up on, and small ones
 * that misbehaved lately.  With apart, the worst there can be: no network
 * touches or contains another.
 */
static int
make_networks(size_t count, char **path, bool apart)
{
	struct network *n = malloc(count * sizeof *n);
	size_t large = apart ? count : count / 2;
	FILE *f = create(path[0]);
	uint32_t at = 1 << 24;

	if (n == NULL)
		return EX_OSERR;
	for (size_t i = 0; i < count; i++) {
		n[i] = i < large ? next_network(&at, apart) :
		    small_network(n, large);
		put_v4(f, n[i].first, n[i].bits);
	}
	free(n);
	finish(f, path[0]);
	printf("entries=%zu\n", count);
	return EX_OK;
}

/* --- loading */

static double
cpu_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* A value that iplist_stats() prints, which are all behind a blank. */
static double
stat_of(struct iplist *l, const char *name)
{
	char *text = NULL, *p = NULL;
	double value = -1;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return -1;
	iplist_stats(f, l);
	if (fclose(f) == 0 && (p = strstr(text, name)) != NULL) {
		p += 1 + strcspn(p + 1, "\n");
		while (*p != ' ')
			p--;
		value = strtod(p, NULL);
	}
	free(text);
	return value;
}

static int
load(const char *path)
{
	struct iplist *l;
	double begin;
	long rss;

#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 1 << 20);	/* as the daemon does */
#endif
	if ((l = iplist_new()) == NULL ||
	    iplist_add_file(l, IPLIST_LISTED, path) == -1)
		return EX_OSERR;
	rss = proc_kb(getpid(), "VmRSS:");
	begin = cpu_seconds();
	if (iplist_load(l) == -1)
		return EX_DATAERR;
	printf("cpu=%.3f ", cpu_seconds() - begin);
	printf("entries=%.0f bytes=%.0f ",
	    stat_of(l, "\nmilter_list_entries{"),
	    stat_of(l, "\nmilter_list_bytes "));
	printf("rss_kb=%ld peak_kb=%ld\n",
	    proc_kb(getpid(), "VmRSS:") - rss, proc_kb(getpid(), "VmHWM:"));
	iplist_free(l);
	return EX_OK;
}

int
main(int argc, char *argv[])
{
	char *path[4] = { NULL };
	size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	for (int i = 4; i < argc && i < 8; i++)
		path[i - 4] = argv[i];
	log_name("lists");
	if (argc == 3 && strcmp(argv[1], "load") == 0)
		return load(argv[2]);
	if (argc < 5 || (argc != 5 && argc != 8) || count == 0 ||
	    strcmp(argv[1], "make") != 0)
		goto usage;
	if (strcmp(argv[2], "v4") == 0)
		return make_v4(count, path);
	if (strcmp(argv[2], "v6") == 0)
		return make_v6(count, path);
	if (strcmp(argv[2], "networks") == 0)
		return make_networks(count, path, false);
	if (strcmp(argv[2], "networks-apart") == 0)
		return make_networks(count, path, true);
usage:
	fprintf(stderr, "usage: lists make v4|v6|networks|networks-apart "
	    "COUNT FILE [FILE2 LISTED UNLISTED]\n       lists load FILE\n");
	return EX_USAGE;
}
