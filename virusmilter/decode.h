#ifndef VIRUSMILTER_DECODE_H
#define VIRUSMILTER_DECODE_H

#include <stddef.h>

/*
 * decode - content transfer encodings (RFC 2045 6), undone as the bytes come.
 *
 * What is wrong with the encoding is passed over as mail readers pass it over:
 * bytes that are none of base64 are skipped, and a '=' ends a group of four but
 * not the content; in quoted-printable a '=' that begins nothing stands for
 * itself.
 *
 * One thread an object.
 */
enum encoding {
	ENCODING_NONE,		/* 7bit, 8bit, binary */
	ENCODING_BASE64,
	ENCODING_QUOTED_PRINTABLE,
	ENCODING_UNKNOWN	/* taken as none */
};

/* All zero at first, but for the encoding. */
struct decoder {
	enum encoding encoding;
	unsigned bits, count;	/* base64: of the group that is under way */
	unsigned char held[4];	/* quoted-printable: what waits for more */
	unsigned held_size;
};

/* From the value of Content-Transfer-Encoding; comments are left out. */
enum encoding decode_encoding(const char *value);

/*
 * The bytes that size more bytes stand for go to out, which has room for
 * size + DECODE_SLACK.  Returns how many there are.
 */
#define DECODE_SLACK	4

size_t decode(struct decoder *, unsigned char *out, const unsigned char *in,
    size_t size);

/* The same at the end of the content: what was held back. */
size_t decode_end(struct decoder *, unsigned char out[DECODE_SLACK]);

#endif
