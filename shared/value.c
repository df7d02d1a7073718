/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * value.c: numbers, sizes, durations and names from text, and back. Used by
 * every process on what an operator wrote; keeps no state and looks at nothing
 * but its arguments. libbsd's expand_number() takes "10mx" and "-1" for sizes,
 * so nothing here is left to it.
 */
#include "shared/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A longer word has no nearest name: it is not a slip of the finger. */
#define NEAREST_LETTERS 48

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first, so that printing takes the shortest form. */
static const struct unit size_units[] = {
	{ "g", 1024ULL * 1024 * 1024 },
	{ "m", 1024ULL * 1024 },
	{ "k", 1024 },
	{ "", 1 },
};

static const struct unit duration_units[] = {
	{ "h", 3600000 },
	{ "min", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

/* Read decimal digits at *p and step over them; false when there are none or
 * they mean more than max. */
static bool
read_digits(const char **p, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++) {
		uint64_t digit = (uint64_t)(**p - '0');

		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

static bool
read_with_unit(const char *text, const struct unit *units, size_t n,
    uint64_t *out)
{
	uint64_t number;
	size_t i;

	if (!read_digits(&text, INT64_MAX, &number))
		return false;
	for (i = 0; i < n; i++)
		if (strcasecmp(text, units[i].name) == 0)
			break;
	if (i == n || number > INT64_MAX / units[i].factor)
		return false;
	*out = number * units[i].factor;
	return true;
}

static char *
print_with_unit(uint64_t value, const struct unit *units, char *dst,
    size_t size)
{
	size_t i = 0;

	while (value % units[i].factor != 0)
		i++;
	(void)snprintf(dst, size, "%" PRIu64 "%s", value / units[i].factor,
	    units[i].name);
	return dst;
}

char *
value_print_size(uint64_t bytes, char *dst, size_t size)
{
	if (bytes != 0)
		return print_with_unit(bytes, size_units, dst, size);
	(void)snprintf(dst, size, "0");
	return dst;
}

char *
value_print_duration(int64_t ms, char *dst, size_t size)
{
	if (ms > 0)
		return print_with_unit((uint64_t)ms, duration_units, dst, size);
	(void)snprintf(dst, size, "0");
	return dst;
}

int
value_int(const char *text, int64_t min, int64_t max, int64_t *out,
    struct err *err)
{
	const char *p = text;
	bool negative = *p == '-';
	uint64_t number;
	int64_t value;

	p += negative;
	if (!isdigit((unsigned char)*p) || p[strspn(p, "0123456789")] != '\0') {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a whole number",
		    text);
		goto hint;
	}
	if (read_digits(&p, INT64_MAX, &number)) {
		value = negative ? -(int64_t)number : (int64_t)number;
		if (value >= min && value <= max) {
			*out = value;
			return 0;
		}
	}
	err_set(err, EXIT_BAD_CONFIG, "%s is out of range", text);
hint:
	return err_hint(err, "a whole number from %" PRId64 " to %" PRId64, min,
	    max);
}

int
value_bool(const char *text, bool *out, struct err *err)
{
	static const char *const names[] = { "false", "true", "no", "yes",
		"off", "on" };
	size_t i;

	for (i = 0; i < nitems(names); i++)
		if (strcasecmp(text, names[i]) == 0) {
			*out = i % 2 == 1;
			return 0;
		}
	err_set(err, EXIT_BAD_CONFIG, "\"%s\" is neither true nor false", text);
	return err_hint(err, "true, yes or on; false, no or off");
}

int
value_size(const char *text, uint64_t min, uint64_t max, uint64_t *out,
    struct err *err)
{
	char low[VALUE_PRINT_MAX], high[VALUE_PRINT_MAX];
	uint64_t value;

	if (!read_with_unit(text, size_units, nitems(size_units), &value)) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a size", text);
		return err_hint(err,
		    "a whole number of bytes, or one with k, m or g: "
		    "4096, 64k, 1m");
	}
	if (value < min || value > max) {
		err_set(err, EXIT_BAD_CONFIG, "%s is out of range", text);
		return err_hint(err, "a size from %s to %s",
		    value_print_size(min, low, sizeof(low)),
		    value_print_size(max, high, sizeof(high)));
	}
	*out = value;
	return 0;
}

int
value_duration(const char *text, int64_t min_ms, int64_t max_ms,
    int64_t *out_ms, struct err *err)
{
	char low[VALUE_PRINT_MAX], high[VALUE_PRINT_MAX];
	uint64_t value = 0;

	if (strcmp(text, "0") != 0 &&
	    !read_with_unit(text, duration_units, nitems(duration_units),
		&value)) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a duration", text);
		return err_hint(err,
		    "a whole number with ms, s, min or h: "
		    "250ms, 30s, 5min, 1h");
	}
	if ((int64_t)value < min_ms || (int64_t)value > max_ms) {
		err_set(err, EXIT_BAD_CONFIG, "%s is out of range", text);
		return err_hint(err, "a duration from %s to %s",
		    value_print_duration(min_ms, low, sizeof(low)),
		    value_print_duration(max_ms, high, sizeof(high)));
	}
	*out_ms = (int64_t)value;
	return 0;
}

char *
value_list(const char *const *names, size_t n, char *dst, size_t size)
{
	size_t i, left = 0, used = 0;

	for (i = 0; i < n; i++)
		left += names[i] != NULL;
	dst[0] = '\0';
	for (i = 0; i < n && used < size; i++) {
		if (names[i] == NULL)
			continue;
		left--;
		used +=
		    (size_t)snprintf(dst + used, size - used, "%s%s", names[i],
			left > 1        ? ", "
			    : left == 1 ? " or "
					: "");
	}
	return dst;
}

int
value_enum(const char *text, const char *const *names, size_t n, int *out,
    struct err *err)
{
	const char *near;
	char list[256];
	size_t i;

	for (i = 0; i < n; i++)
		if (names[i] != NULL && strcmp(text, names[i]) == 0) {
			*out = (int)i;
			return 0;
		}
	err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not one of %s", text,
	    value_list(names, n, list, sizeof(list)));
	near = value_nearest(text, names, n);
	if (near != NULL)
		err_hint(err, "did you mean \"%s\"?", near);
	return -1;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, tolower((unsigned char)c));

	return c == '\0' || at == NULL ? -1 : (int)(at - digits);
}

ssize_t
value_unescape(const char *text, char *dst, struct err *err)
{
	static const char letters[] = "rnt\\\"'0", bytes[] = "\r\n\t\\\"'";
	const char *at;
	char *out = dst;

	while (*text != '\0') {
		if (*text != '\\') {
			*out++ = *text++;
		} else if (text[1] == 'x' && hex_digit(text[2]) >= 0 &&
		    hex_digit(text[3]) >= 0) {
			*out++ = (char)(hex_digit(text[2]) * 16 +
			    hex_digit(text[3]));
			text += 4;
		} else if (text[1] != '\0' &&
		    (at = strchr(letters, text[1])) != NULL) {
			/* The letter 0 meets the end of bytes: a null byte. */
			*out++ = bytes[at - letters];
			text += 2;
		} else {
			err_set(err, EXIT_BAD_CONFIG, "unknown escape \"%.*s\"",
			    text[1] == 'x' ? 4 : 2, text);
			return err_hint(err,
			    "\\r \\n \\t \\0 \\\" \\' \\xHH, and \\\\ for a "
			    "backslash");
		}
	}
	*out = '\0';
	return out - dst;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t least = MIN_OF(a, b);

	return MIN_OF(least, c);
}

/* Letters to insert, drop, change or swap with their neighbour to make b of
 * a; neither is longer than NEAREST_LETTERS. */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_LETTERS + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t i, j, lb = strlen(b);

	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			int x = tolower((unsigned char)a[i - 1]);
			int y = tolower((unsigned char)b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1,
			    above[j - 1] + (x != y));
			if (i > 1 && j > 1 && x != y &&
			    x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]))
				row[j] = MIN_OF(row[j], before[j - 2] + 1);
		}
	}
	return row[lb];
}

const char *
value_nearest(const char *text, const char *const *names, size_t n)
{
	size_t i, d, longer, length = strlen(text), best = SIZE_MAX;
	const char *near = NULL;

	if (length > NEAREST_LETTERS)
		return NULL;
	for (i = 0; i < n; i++) {
		if (names[i] == NULL || strlen(names[i]) > NEAREST_LETTERS)
			continue;
		longer = MAX_OF(length, strlen(names[i]));
		d = distance(text, names[i]);
		if (d * 3 <= longer && d < best) {
			best = d;
			near = names[i];
		}
	}
	return near;
}
