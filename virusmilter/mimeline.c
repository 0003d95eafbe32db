#include <string.h>

#include "mimeline.h"

size_t
mimeline_trim(const char *line, size_t size, const char *bytes)
{
	while (size > 0 && line[size - 1] != '\0' &&
	    strchr(bytes, line[size - 1]) != NULL)
		size--;
	return size;
}

bool
mimeline_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
mimeline_is_field(const char *line)
{
	size_t size = 0;

	while (line[size] > ' ' && line[size] < 127 && line[size] != ':')
		size++;
	return size > 0 && line[size + strspn(line + size, " \t")] == ':';
}

bool
mimeline_is_envelope(const char *line)
{
	line += *line == '>';
	return strncmp(line, "From ", 5) == 0;
}

const char *
mimeline_file(const char *line, size_t *size)
{
	size_t digits;

	if (strncmp(line, "begin", 5) != 0)
		return NULL;
	line += 5;
	if (strncmp(line, "-base64", 7) == 0)
		line += 7;
	if (!mimeline_is_blank(*line))
		return NULL;
	line += strspn(line, " \t");
	digits = strspn(line, "01234567");
	if (digits < 3 || digits > 4 || !mimeline_is_blank(line[digits]))
		return NULL;
	line += digits;
	line += strspn(line, " \t");
	*size = mimeline_trim(line, strlen(line), " \t\r\n");
	return *size > 0 ? line : NULL;
}
