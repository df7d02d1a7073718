/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_line.c: the form of a line, by sink and format. Runs in every process,
 * also in the signal handler that writes a child's last line: no stdio, no
 * allocation.
 */
#include "shared/log_line.h"

#include <stdbool.h>
#include <string.h>

/* RFC 5424 6.2.1: facility daemon, severities. <syslog.h> would define level
 * names that are ours. */
#define SYSLOG_DAEMON (3 << 3)
/* Kept free for what log_line_end() adds. */
#define TAIL_MAX 4

static const int severity[LOG_NLEVELS] = {
	[LOG_ERROR] = 3,
	[LOG_WARN] = 4,
	[LOG_INFO] = 6,
	[LOG_DEBUG] = 7,
};

static void
add(struct log_line *l, const char *text, size_t len)
{
	len = MIN_OF(len, sizeof(l->text) - TAIL_MAX - l->len);
	(void)memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void
add_text(struct log_line *l, const char *text)
{
	add(l, text, strlen(text));
}

/* With zeros before it up to the width. */
static void
add_number(struct log_line *l, unsigned width, int64_t n, const char *after)
{
	char digits[20];
	size_t i = sizeof(digits);

	while (i > 0 && (n > 0 || width > 0)) {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
		width -= width > 0;
	}
	add(l, digits + i, sizeof(digits) - i);
	add_text(l, after);
}

/* gmtime_r() takes a lock, so the date is computed here: years begin in March,
 * so that a leap day comes last. */
static void
add_time(struct log_line *l)
{
	struct timespec now;
	int64_t days, era, doe, yoe, doy, shifted, month;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	days = now.tv_sec / 86400 + 719468;
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	shifted = (5 * doy + 2) / 153;
	month = shifted < 10 ? shifted + 3 : shifted - 9;
	add_number(l, 4, yoe + era * 400 + (month <= 2), "-");
	add_number(l, 2, month, "-");
	add_number(l, 2, doy - (153 * shifted + 2) / 5 + 1, "T");
	add_number(l, 2, now.tv_sec / 3600 % 24, ":");
	add_number(l, 2, now.tv_sec / 60 % 60, ":");
	add_number(l, 2, now.tv_sec % 60, ".");
	add_number(l, 3, now.tv_nsec / 1000000, "Z");
}

/* What the reader takes off again: the priority, and who writes to syslog. */
static void
add_address(struct log_line *l, enum log_level level)
{
	switch (l->sink) {
	case LOG_JOURNAL:
		add_text(l, "<");
		add_number(l, 1, severity[level], ">");
		break;
	case LOG_SYSLOG:
		add_text(l, "<");
		add_number(l, 1, SYSLOG_DAEMON | severity[level], ">tine[");
		add_number(l, 1, getpid(), "]: ");
		break;
	case LOG_STDERR:
	case LOG_FILE:
	case LOG_NSINKS:
		break;
	}
}

static void
add_text_head(struct log_line *l, enum log_level level, const char *who)
{
	if (l->sink == LOG_STDERR)
		add_text(l, "tine: ");
	if (l->sink == LOG_FILE) {
		add_time(l);
		add_text(l, " ");
	}
	add_text(l, log_level_names[level]);
	add_text(l, " ");
	add_text(l, who);
	add_text(l, ": ");
}

static void
add_json_head(struct log_line *l, enum log_level level, const char *who)
{
	add_text(l, "{\"time\":\"");
	add_time(l);
	add_text(l, "\",\"level\":\"");
	add_text(l, log_level_names[level]);
	add_text(l, "\",\"pid\":");
	add_number(l, 1, getpid(), ",\"who\":\"");
	log_line_add(l, who, strlen(who));
	add_text(l, "\",\"msg\":\"");
}

static void
begin(struct log_line *l, enum log_sink sink, enum log_format format,
    enum log_level level)
{
	l->text[0] = '\n';
	l->len = 1;
	l->sink = sink;
	l->format = format;
	add_address(l, level);
}

void
log_line_begin(struct log_line *l, enum log_sink sink, enum log_format format,
    enum log_level level, const char *who)
{
	begin(l, sink, format, level);
	if (format == LOG_FORMAT_JSON)
		add_json_head(l, level, who);
	else
		add_text_head(l, level, who);
}

void
log_line_begin_plain(struct log_line *l, enum log_sink sink,
    enum log_level level)
{
	begin(l, sink, LOG_FORMAT_TEXT, level);
	add_text(l, "tine: ");
}

/* The length of the UTF-8 sequence that text begins with; 0: it is none that
 * RFC 3629 allows. */
static size_t
utf8_length(const unsigned char *s, size_t len)
{
	/* The second byte's range keeps out what is too long, surrogates and
	 * what is beyond U+10FFFF. */
	unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
	size_t i, n;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n > len || s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* One byte that may not stand there as it is. */
static void
add_escaped(struct log_line *l, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";
	bool is_json = l->format == LOG_FORMAT_JSON;
	char text[] = { '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] };

	if (is_json && (byte == '"' || byte == '\\')) {
		text[1] = (char)byte;
		add(l, text, 2);
	} else if (is_json) {
		add(l, text, sizeof(text));
	} else {
		text[3] = 'x';
		text[2] = '\\';
		add(l, text + 2, 4);
	}
}

/* How many bytes from s on may stand as they are; 0: the first may not. */
static size_t
plain_length(const struct log_line *l, const unsigned char *s, size_t len)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return 0;
	if (l->format != LOG_FORMAT_JSON)
		return 1;
	if (s[0] == '"' || s[0] == '\\')
		return 0;
	return s[0] < 0x80 ? 1 : utf8_length(s, len);
}

void
log_line_add(struct log_line *l, const char *text, size_t len)
{
	/* An escape that is cut in two would spoil the whole line. */
	const size_t room = sizeof(l->text) - TAIL_MAX - 6;
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0, n;

	while (i < len && l->len <= room) {
		n = plain_length(l, s + i, len - i);
		if (n == 0)
			add_escaped(l, s[i]);
		else
			add(l, text + i, n);
		i += MAX_OF(n, 1);
	}
}

void
log_line_end(struct log_line *l)
{
	/* The room for this was kept free. */
	if (l->format == LOG_FORMAT_JSON) {
		l->text[l->len++] = '"';
		l->text[l->len++] = '}';
	}
	if (l->sink != LOG_SYSLOG)
		l->text[l->len++] = '\n';
}
