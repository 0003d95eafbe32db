#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "entry.h"

#define VALUE_VERSION	1
#define VALUE_FIXED	(2 + 4 + 3 * 8)		/* bytes before the reason */

struct addr
entry_client(const struct addr *addr)
{
	struct addr masked = *addr;

	addr_mask(&masked, addr_is_ipv4(addr) ? ADDR_BITS : 64);
	return masked;
}

bool
entry_is_listed(const struct entry *e, int64_t now)
{
	if (e->kind != ENTRY_REPORT)
		return e->kind != ENTRY_NONE;
	return e->expires > now;
}

bool
entry_is_current(const struct entry *e, int64_t now)
{
	return entry_is_listed(e, now) || (e->kind == ENTRY_REPORT &&
	    e->expires == 0 && now - e->since < ENTRY_WINDOW);
}

bool
entry_is_past(const struct entry *e, int64_t now)
{
	return e->kind == ENTRY_REPORT && !entry_is_current(e, now) &&
	    now - e->expires >= ENTRY_MEMORY;
}

void
entry_set_reason(struct entry *e, const char *reason)
{
	memset(e->reason, 0, sizeof e->reason);
	snprintf(e->reason, sizeof e->reason, "%s", reason);
}

void
entry_report(struct entry *e, long threshold, int64_t seconds,
    const char *reason, int64_t now)
{
	if (e->kind == ENTRY_BLACK)
		return;
	if (e->kind != ENTRY_REPORT || entry_is_past(e, now) ||
	    (e->expires == 0 && !entry_is_current(e, now))) {
		e->since = now;
		e->reports = 0;
		e->expires = e->seconds = 0;
	}
	e->kind = ENTRY_REPORT;
	entry_set_reason(e, reason);
	if (e->reports < UINT32_MAX)
		e->reports++;
	if (e->expires == 0 && e->reports < threshold)
		return;
	if (e->seconds * 2 > seconds)
		seconds = e->seconds * 2;
	if (seconds > ENTRY_LONGEST)
		seconds = ENTRY_LONGEST;
	e->seconds = seconds;
	e->expires = now + seconds;
}

bool
entry_check_clock(struct entry *e, int64_t now)
{
	const struct entry before = *e;

	if (e->seconds < 0 || e->seconds > ENTRY_LONGEST)
		e->seconds = ENTRY_LONGEST;
	if (e->expires > now + e->seconds)
		e->expires = now + e->seconds;
	if (e->since > now)
		e->since = now;
	return e->seconds != before.seconds || e->expires != before.expires ||
	    e->since != before.since;
}

size_t
entry_encode(const struct entry *e, unsigned char value[ENTRY_VALUE_MAX])
{
	unsigned char *p = value;
	size_t size = strlen(e->reason);

	*p++ = VALUE_VERSION;
	*p++ = (unsigned char)e->kind;
	p = bytes_put(p, e->reports, 4);
	p = bytes_put(p, (uint64_t)e->expires, 8);
	p = bytes_put(p, (uint64_t)e->seconds, 8);
	p = bytes_put(p, (uint64_t)e->since, 8);
	memcpy(p, e->reason, size);
	return VALUE_FIXED + size;
}

int
entry_decode(struct entry *e, const void *value, size_t size)
{
	const unsigned char *p = value;

	if (size < VALUE_FIXED || size - VALUE_FIXED >= sizeof e->reason ||
	    p[0] != VALUE_VERSION ||
	    p[1] < ENTRY_WHITE || p[1] > ENTRY_REPORT ||
	    ((p[6] | p[14] | p[22]) & 0x80) != 0)	/* a time below 0 */
		return -1;
	e->kind = (enum entry_kind)p[1];
	e->reports = (uint32_t)bytes_get(p + 2, 4);
	e->expires = (int64_t)bytes_get(p + 6, 8);
	e->seconds = (int64_t)bytes_get(p + 14, 8);
	e->since = (int64_t)bytes_get(p + 22, 8);
	memset(e->reason, 0, sizeof e->reason);
	memcpy(e->reason, p + VALUE_FIXED, size - VALUE_FIXED);
	return 0;
}
