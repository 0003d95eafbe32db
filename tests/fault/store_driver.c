/*
 * store_driver - make stores that a daemon would not make.
 *
 *	store_driver fill DIRECTORY ENTRIES ROUNDS clean|killed
 *	    Report that many clients, from 198.18.0.0 on, so often each, and
 *	    end as said.  The reason of an entry is "rN", N from 0.
 *	store_driver record DIRECTORY ADDRESS SIZE VERSION
 *	    Put a record of so many bytes for the client, of a report, with
 *	    this version.
 *	store_driver triplet DIRECTORY CLIENT SENDER RECIPIENT SIZE VERSION
 *	    The same for graymilter, with texts as it keeps them.
 *	store_driver foreign FILE TYPE PAGESIZE CHECKSUM
 *	    Make a database of the engine's with one record: type btree or
 *	    hash, checksum 0 or 1.
 *	store_driver version FILE N
 *	    Make a database claim to be of another version of its format.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <db.h>

#include "entry.h"
#include "store.h"
#include "tuple.h"

#define SHORTLIST	"shortlist.db"
#define GREYLIST	"greylist.db"
#define KEY_TAG		'A'	/* as in shortlist.c */
#define KEY_SIZE	(1 + sizeof(struct addr))
#define LISTED_SECONDS	3600

/* As the engine has them on disk, in bytes from the start of the file. */
#define META_VERSION	16
#define META_CHECKSUM	492
#define META_SIZE	512

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "store_driver: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static unsigned long
number(const char *text)
{
	return strtoul(text, NULL, 10);
}

static void
make_key(unsigned char key[KEY_SIZE], const char *address)
{
	struct addr addr;

	if (addr_parse(&addr, address) == -1)
		exit(fail(address, "not an address"));
	addr = entry_client(&addr);
	key[0] = KEY_TAG;
	memcpy(key + 1, &addr, sizeof addr);
}

static struct store *
open_store(const char *directory, const char *name)
{
	const struct store_conf conf = { .directory = directory,
	    .name = name };
	struct store *s = store_open(&conf);

	if (s == NULL)
		exit(fail(directory, "no store"));
	return s;
}

static int
fill(const char *directory, unsigned long entries, unsigned long rounds,
    int killed)
{
	struct store *s = open_store(directory, SHORTLIST);
	unsigned char key[KEY_SIZE], value[ENTRY_VALUE_MAX];
	char text[40];

	for (unsigned long i = 0; i < entries * rounds; i++) {
		unsigned long n = i % entries;
		struct entry e = { .kind = ENTRY_NONE };

		snprintf(text, sizeof text, "198.18.%lu.%lu", n >> 8, n & 255);
		make_key(key, text);
		snprintf(text, sizeof text, "r%lu", n);
		entry_report(&e, 1, LISTED_SECONDS, text, (int64_t)time(NULL));
		if (store_put(s, key, sizeof key, value,
		    entry_encode(&e, value)) != STORE_OK)
			return fail(directory, "put failed");
	}
	if (killed) {
		sleep(2);	/* a checkpoint, if so much was written */
		raise(SIGKILL);
	}
	store_close(s);
	return EXIT_SUCCESS;
}

/* The second byte of a value is its kind, or its size. */
static int
put_value(struct store *s, const void *key, size_t key_size, size_t size,
    unsigned char version, unsigned char second)
{
	unsigned char value[STORE_VALUE_MAX];

	if (size < 2 || size > sizeof value)
		return fail("record", "no such size");
	memset(value, 'x', sizeof value);
	value[0] = version;
	value[1] = second;
	if (store_put(s, key, key_size, value, size) != STORE_OK)
		return fail("record", "put failed");
	store_close(s);
	return EXIT_SUCCESS;
}

static int
put_record(const char *directory, const char *address, size_t size,
    unsigned char version)
{
	unsigned char key[KEY_SIZE];

	make_key(key, address);
	return put_value(open_store(directory, SHORTLIST), key, sizeof key,
	    size, version, ENTRY_REPORT);
}

static int
put_triplet(char *argv[])
{
	unsigned char key[STORE_KEY_MAX];
	size_t size = number(argv[4]);
	struct tuple t;

	if (tuple_scan(t.client, argv[1]) == -1 ||
	    tuple_scan(t.sender, argv[2]) == -1 ||
	    tuple_scan(t.recipient, argv[3]) == -1)
		return fail(argv[1], "not a triplet");
	return put_value(open_store(argv[0], GREYLIST), key,
	    tuple_key(key, TUPLE_TRIPLET, &t), size,
	    (unsigned char)number(argv[5]), (unsigned char)size);
}

static int
make_foreign(const char *path, DBTYPE type, uint32_t pagesize, int checksum)
{
	DBT key = { .data = (void *)"key", .size = 3 };
	DBT value = { .data = (void *)"value", .size = 5 };
	DB *db;
	int e;

	if ((e = db_create(&db, NULL, 0)) != 0 ||
	    (e = db->set_pagesize(db, pagesize)) != 0 ||
	    (checksum && (e = db->set_flags(db, DB_CHKSUM)) != 0) ||
	    (e = db->open(db, NULL, path, NULL, type, DB_CREATE, 0600)) != 0 ||
	    (e = db->put(db, NULL, &key, &value, 0)) != 0 ||
	    (e = db->close(db, 0)) != 0)
		return fail(path, db_strerror(e));
	return EXIT_SUCCESS;
}

/* The engine's, over the whole page with the place of the sum zeroed. */
static uint32_t
checksum_of(unsigned char *page)
{
	uint32_t sum = 0;

	memset(page + META_CHECKSUM, 0, META_SIZE - META_CHECKSUM);
	for (size_t i = 0; i < META_SIZE; i++)
		sum = sum * 33 + page[i];
	return sum;
}

static int
set_version(const char *path, uint32_t version)
{
	unsigned char page[META_SIZE];
	FILE *f = fopen(path, "r+b");
	uint32_t was, sum;

	if (f == NULL || fread(page, sizeof page, 1, f) != 1)
		return fail(path, "cannot be read");
	memcpy(&was, page + META_CHECKSUM, sizeof was);
	if (checksum_of(page) != was)
		return fail(path, "the checksum is not understood");
	memcpy(page + META_VERSION, &version, sizeof version);
	sum = checksum_of(page);
	memcpy(page + META_CHECKSUM, &sum, sizeof sum);
	rewind(f);
	if (fwrite(page, sizeof page, 1, f) != 1 || fclose(f) == EOF)
		return fail(path, "cannot be written");
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "fill") == 0)
		return fill(argv[2], number(argv[3]), number(argv[4]),
		    strcmp(argv[5], "killed") == 0);
	if (argc == 6 && strcmp(argv[1], "record") == 0)
		return put_record(argv[2], argv[3], number(argv[4]),
		    (unsigned char)number(argv[5]));
	if (argc == 8 && strcmp(argv[1], "triplet") == 0)
		return put_triplet(argv + 2);
	if (argc == 6 && strcmp(argv[1], "foreign") == 0)
		return make_foreign(argv[2], strcmp(argv[3], "hash") == 0 ?
		    DB_HASH : DB_BTREE, (uint32_t)number(argv[4]),
		    argv[5][0] == '1');
	if (argc == 4 && strcmp(argv[1], "version") == 0)
		return set_version(argv[2], (uint32_t)number(argv[3]));
	return fail("usage", "see store_driver.c");
}
