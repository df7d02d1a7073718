/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_parse.c: the head of one HTTP/1 request. Runs in a child on bytes that
 * a stranger sent, and in a fuzzer. Where two servers could read a message
 * differently (line ends, lengths, folded lines, repeated fields) it refuses:
 * being lenient there is what lets requests be smuggled past a proxy. It must
 * not assert on input, allocate or look behind `end`.
 */
#include "http_parse.h"

#include <string.h>
#include <strings.h>

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

/* What a byte may be part of. */
enum {
	T = 1, /* token: methods and field names */
	R = 2, /* request target: visible ASCII without '#' */
	X = 4, /* field value: no control but tab */
	H = 8  /* host name or address */
};

/* clang-format off */
static const uint8_t class_of[256] = {
	['\t'] = X,		[' '] = X,
	['!'] = T | R | X | H,	['"'] = R | X,
	['#'] = T | X,		['$'] = T | R | X | H,
	['%'] = T | R | X,	['&'] = T | R | X | H,
	['\''] = T | R | X | H,	['(' ... ')'] = R | X | H,
	['*' ... '+'] = T | R | X | H, [','] = R | X | H,
	['-' ... '.'] = T | R | X | H, ['/'] = R | X,
	['0' ... '9'] = T | R | X | H, [':'] = R | X,
	[';'] = R | X | H,	['<'] = R | X,
	['='] = R | X | H,	['>' ... '@'] = R | X,
	['A' ... 'Z'] = T | R | X | H, ['[' ... ']'] = R | X,
	['^'] = T | R | X,	['_'] = T | R | X | H,
	['`'] = T | R | X,	['a' ... 'z'] = T | R | X | H,
	['{'] = R | X,		['|'] = T | R | X,
	['}'] = R | X,		['~'] = T | R | X | H,
	[0x80 ... 0xff] = X,
};
/* clang-format on */

/* The first byte from p on that is not of this class, or end. */
static inline const char *
skip(const char *p, const char *end, unsigned class)
{
	while (p < end && (class_of[(unsigned char)*p] & class) != 0)
		p++;
	return p;
}

/*
 * The first byte from p on that ends a field value, or end. Most bytes of a
 * head are values: eight at a time, and one by one from the first word that
 * holds a control (tab included) or a DEL.
 */
static inline const char *
skip_value(const char *p, const char *end)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones * 0x80;
	uint64_t w, del;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, sizeof(w));
		del = w ^ (ones * 0x7f);
		if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & tops)
			break;
	}
	return skip(p, end, X);
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The span without blanks at either end. */
static inline struct http_span
trim(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	return (struct http_span){ p, (size_t)(end - p) };
}

/*
 * Is the span this lower-case word, in any case? Setting bit 0x20 folds no
 * byte but a capital onto a letter, and only controls, which neither a token
 * nor a value holds, onto a digit or '-'.
 */
static inline bool
is_word(struct http_span s, const char *word, size_t len)
{
	size_t i;

	if (s.len != len)
		return false;
	for (i = 0; i < len; i++)
		if ((s.at[i] | 0x20) != word[i])
			return false;
	return true;
}
#define IS_WORD(span, literal) is_word(span, literal, sizeof(literal) - 1)

/* ---- fields with a meaning ---- */

/* uri-host [":" port], without user information; 400 if it is not that. */
static int
check_authority(struct http_span s)
{
	const char *p = s.at, *end = p + s.len, *name = p;
	unsigned port = 0;

	if (p < end && *p == '[') {
		do
			p++;
		while (p < end &&
		    (is_digit(*p) || *p == ':' || *p == '.' ||
			((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')));
		if (p == end || *p++ != ']' || p - name < 4)
			return 400;
	} else {
		p = skip(p, end, H);
		if (p == name)
			return 400;
	}
	if (p == end)
		return 0;
	if (*p++ != ':')
		return 400;
	for (; p < end && is_digit(*p) && port <= UINT16_MAX; p++)
		port = port * 10 + (unsigned)(*p - '0');
	return p == end && port <= UINT16_MAX ? 0 : 400;
}

static int
on_host(struct http_request *req, struct http_span v)
{
	if (req->host.at != NULL)
		return 400;
	req->host = v;
	return check_authority(v);
}

static int
on_content_length(struct http_request *req, struct http_span v)
{
	uint64_t n = 0;
	size_t i;

	if (req->has_length || v.len < 1 || v.len > 19)
		return 400;
	for (i = 0; i < v.len; i++) {
		if (!is_digit(v.at[i]))
			return 400;
		n = n * 10 + (uint64_t)(v.at[i] - '0');
	}
	/* 19 digits fit in 64 bits, but not all of them in an off_t. */
	if (n > INT64_MAX)
		return 400;
	req->has_length = true;
	req->content_length = n;
	return 0;
}

static int
on_transfer_encoding(struct http_request *req, struct http_span v)
{
	if (req->has_coding)
		return 400;
	req->has_coding = true;
	req->has_foreign_coding = !IS_WORD(v, "chunked");
	return 0;
}

static int
on_connection(struct http_request *req, struct http_span v)
{
	const char *p = v.at, *end = p + v.len, *comma;
	struct http_span item;

	while (p < end) {
		comma = memchr(p, ',', (size_t)(end - p));
		item = trim(p, comma != NULL ? comma : end);
		if (IS_WORD(item, "close"))
			req->says_close = true;
		else if (IS_WORD(item, "keep-alive"))
			req->says_keep_alive = true;
		p = comma != NULL ? comma + 1 : end;
	}
	return 0;
}

static int
on_expect(struct http_request *req, struct http_span v)
{
	if (IS_WORD(v, "100-continue"))
		req->expects_continue = true;
	else
		req->has_foreign_expectation = true;
	return 0;
}

/* A condition given twice is as good as none: the answer is then whole. */
static int
on_if_none_match(struct http_request *req, struct http_span v)
{
	req->is_none_match_twice = req->if_none_match.at != NULL;
	req->if_none_match = v;
	return 0;
}

static int
on_if_modified_since(struct http_request *req, struct http_span v)
{
	req->is_modified_since_twice = req->if_modified_since.at != NULL;
	req->if_modified_since = v;
	return 0;
}

enum {
	NAME_MAX_LEN = 17
};

/* In order of length, so that first_of[] can point at the first of each. */
static const struct known {
	const char *name;
	size_t len;
	int (*on_value)(struct http_request *, struct http_span);
} known[] = {
	{ "host", 4, on_host },
	{ "expect", 6, on_expect },
	{ "connection", 10, on_connection },
	{ "if-none-match", 13, on_if_none_match },
	{ "content-length", 14, on_content_length },
	{ "transfer-encoding", 17, on_transfer_encoding },
	{ "if-modified-since", 17, on_if_modified_since },
};

/* 1 + the index in known[] of the first name of this length; 0: none. */
static const uint8_t first_of[NAME_MAX_LEN + 1] = {
	[4] = 1,
	[6] = 2,
	[10] = 3,
	[13] = 4,
	[14] = 5,
	[17] = 6,
};

static inline int
use_field(struct http_request *req, struct http_span name, const char *value,
    const char *end)
{
	size_t i;

	if (name.len > NAME_MAX_LEN || first_of[name.len] == 0)
		return 0;
	for (i = first_of[name.len] - 1U;
	     i < nitems(known) && known[i].len == name.len; i++)
		if (is_word(name, known[i].name, name.len))
			return known[i].on_value(req, trim(value, end));
	return 0;
}

/*
 * name ":" value CRLF. A line that begins with a blank (a folded one) has an
 * empty name, one with a blank before the colon a name that ends elsewhere.
 */
static inline int
parse_field(const char **at, const char *end, struct http_request *req)
{
	const char *name = *at, *colon, *value, *p;

	colon = skip(name, end, T);
	if (colon == end)
		return HTTP_MORE;
	if (*colon != ':' || colon == name)
		return 400;
	value = colon + 1;
	p = skip_value(value, end);
	if (p == end)
		return HTTP_MORE;
	if (*p != '\r')
		return 400;
	if (p + 1 == end)
		return HTTP_MORE;
	if (p[1] != '\n')
		return 400;
	*at = p + 2;
	return use_field(req,
	    (struct http_span){ name, (size_t)(colon - name) }, value, p);
}

static int
parse_fields(const char **at, const char *end, struct http_request *req)
{
	const char *p = *at;
	int n, rc;

	for (n = 0;; n++) {
		if (p == end)
			return HTTP_MORE;
		if (*p == '\r') {
			if (p + 1 == end)
				return HTTP_MORE;
			*at = p + 2;
			return p[1] == '\n' ? HTTP_DONE : 400;
		}
		if (n == HTTP_FIELDS_MAX)
			return 431;
		rc = parse_field(&p, end, req);
		if (rc != 0)
			return rc;
	}
}

/* ---- the request line ---- */

enum {
	VERSION_LEN = 10 /* of "HTTP/1.1" CRLF */
};

static enum http_method
method_of(const char *p, size_t len)
{
	/* clang-format off */
	static const struct {
		const char *name;
		size_t len;
	} names[HTTP_NMETHODS] = {
		[HTTP_UNKNOWN] = { "", 0 },
		[HTTP_GET] = { "GET", 3 },
		[HTTP_HEAD] = { "HEAD", 4 },
		[HTTP_POST] = { "POST", 4 },
		[HTTP_PUT] = { "PUT", 3 },
		[HTTP_DELETE] = { "DELETE", 6 },
		[HTTP_PATCH] = { "PATCH", 5 },
		[HTTP_OPTIONS] = { "OPTIONS", 7 },
		[HTTP_CONNECT] = { "CONNECT", 7 },
		[HTTP_TRACE] = { "TRACE", 5 },
	};
	/* clang-format on */
	enum http_method m;

	for (m = HTTP_GET; m < HTTP_NMETHODS; m++)
		if (names[m].len == len && memcmp(names[m].name, p, len) == 0)
			return m;
	return HTTP_UNKNOWN;
}

/* "HTTP/1.x" CRLF at p. A later minor version is read as 1.1, as RFC 9110
 * asks; another major version is one that this server does not speak. */
static inline int
parse_version(const char *p, const char *end, struct http_request *req)
{
	if (end - p < VERSION_LEN)
		return HTTP_MORE;
	req->minor = 1;
	if (memcmp(p, "HTTP/1.1\r\n", VERSION_LEN) == 0)
		return HTTP_DONE;
	if (memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' ||
	    !is_digit(p[7]) || p[8] != '\r' || p[9] != '\n')
		return 400;
	if (p[5] != '1')
		return 505;
	req->minor = p[7] != '0';
	return HTTP_DONE;
}

static int
parse_line(const char **at, const char *end, struct http_request *req)
{
	const char *method = *at, *target, *p;
	int rc;

	p = skip(method, end, T);
	if (p == end)
		return HTTP_MORE;
	if (*p != ' ' || p == method)
		return 400;
	req->method = method_of(method, (size_t)(p - method));
	target = p + 1;
	p = skip(target, end, R);
	if (p == end)
		return HTTP_MORE;
	if (*p != ' ' || p == target)
		return 400;
	req->target = (struct http_span){ target, (size_t)(p - target) };
	p++;
	rc = parse_version(p, end, req);
	if (rc == HTTP_DONE)
		*at = p + VERSION_LEN;
	return rc;
}

/* ---- the head as a whole ---- */

static inline void
split_query(struct http_request *req, const char *p, const char *end)
{
	const char *mark = memchr(p, '?', (size_t)(end - p));

	if (mark != NULL) {
		req->query.at = mark + 1;
		req->query.len = (size_t)(end - mark - 1);
		end = mark;
	}
	req->path.at = p;
	req->path.len = (size_t)(end - p);
}

/* Its authority wins over Host, and a Host that differs is an attempt to
 * make two servers see two sites. */
static int
split_absolute(struct http_request *req)
{
	const char *p = req->target.at, *end = p + req->target.len;
	struct http_span host;

	if (req->target.len > 7 && strncasecmp(p, "http://", 7) == 0)
		p += 7;
	else if (req->target.len > 8 && strncasecmp(p, "https://", 8) == 0)
		p += 8;
	else
		return 400;
	host.at = p;
	while (p < end && *p != '/' && *p != '?')
		p++;
	host.len = (size_t)(p - host.at);
	if (check_authority(host) != 0)
		return 400;
	if (req->host.at != NULL &&
	    (req->host.len != host.len ||
		strncasecmp(req->host.at, host.at, host.len) != 0))
		return 400;
	req->host = host;
	split_query(req, p, end);
	if (req->path.len == 0)
		req->path = (struct http_span){ "/", 1 };
	return 0;
}

static inline int
split_target(struct http_request *req)
{
	const char *p = req->target.at, *end = p + req->target.len;

	if (*p == '/') {
		split_query(req, p, end);
		return 0;
	}
	req->path = req->target;
	if (req->method == HTTP_CONNECT)
		return check_authority(req->target);
	if (req->method == HTTP_OPTIONS && req->target.len == 1 && *p == '*')
		return 0;
	return split_absolute(req);
}

/* What only the whole head can tell. */
static inline int
judge(struct http_request *req)
{
	if (req->minor > 0 && req->host.at == NULL)
		return 400;
	if (req->has_coding && (req->has_length || req->minor == 0))
		return 400;
	if (req->has_foreign_coding)
		return 501;
	if (req->has_foreign_expectation && req->minor > 0)
		return 417;
	req->chunked = req->has_coding;
	req->expects_continue =
	    req->expects_continue && req->minor > 0 && req->content_length > 0;
	req->keep_alive =
	    !req->says_close && (req->minor > 0 || req->says_keep_alive);
	if (req->is_none_match_twice)
		req->if_none_match.at = NULL;
	if (req->is_none_match_twice || req->is_modified_since_twice)
		req->if_modified_since.at = NULL;
	return split_target(req);
}

int
http_parse(const char *buf, size_t len, struct http_request *req)
{
	const char *p = buf, *end, *line_end;
	int rc;

	memset(req, 0, sizeof(*req));
	end = buf + (len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX);
	/* One empty line before a request is an old client's slip: after the
	 * body of a form. */
	if (p < end && *p == '\r') {
		if (p + 1 == end)
			return HTTP_MORE;
		if (p[1] != '\n')
			return 400;
		p += 2;
	}
	line_end = end - p > HTTP_LINE_MAX + 2 ? p + HTTP_LINE_MAX + 2 : end;
	rc = parse_line(&p, line_end, req);
	if (rc == HTTP_MORE && line_end - p == HTTP_LINE_MAX + 2)
		return 414;
	if (rc == HTTP_DONE)
		rc = parse_fields(&p, end, req);
	if (rc == HTTP_MORE && len >= HTTP_HEAD_MAX)
		return 431;
	if (rc != HTTP_DONE)
		return rc;
	req->head_len = (size_t)(p - buf);
	return judge(req);
}
