/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_welcome.c: the page of a server that was told to serve nothing yet.
 * Runs in a child. One page without any other request, so that it shows the
 * same on a machine without a network; the fork on it has a tine for each
 * child, and the one that answered is marked.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TINES_MAX = 32 /* that a fork on a narrow screen has room for */
};

/* Arguments: version, tines, version, pid, place, generation, count, "child"
 * or "children". */
static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, "
    "initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<title>tine %s is running</title>\n"
    "<style>\n"
    ":root{--bg:#fbfaf8;--fg:#23211e;--dim:#645e56;--line:#d9d3c9;"
    "--box:#f1eee8;--mark:#a8430f}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#181716;--fg:#ece8e1;"
    "--dim:#a8a096;--line:#3d3934;--box:#22201e;--mark:#f0935a}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--fg);"
    "font:1.0625rem/1.6 system-ui,sans-serif}\n"
    "main{max-width:40rem;margin:0 auto;padding:12vh 1.5rem 4rem}\n"
    ".fork{position:relative;display:flex;gap:.5rem;width:max-content;"
    "border-bottom:.3rem solid var(--line);margin:0 0 3.6rem}\n"
    ".fork i{width:.3rem;height:2.6rem;background:var(--line);"
    "border-radius:.15rem .15rem 0 0}\n"
    ".fork .me{background:var(--mark)}\n"
    ".fork::after{content:\"\";position:absolute;top:100%%;"
    "left:calc(50%% - .15rem);width:.3rem;height:2rem;"
    "background:var(--line);border-radius:0 0 .15rem .15rem}\n"
    "h1{font-size:2rem;line-height:1.2;font-weight:600;"
    "letter-spacing:-.01em;margin:0}\n"
    "h1 small{font-size:1rem;font-weight:400;color:var(--dim);"
    "letter-spacing:0}\n"
    "h2{font-size:1rem;font-weight:600;margin:2.5rem 0 0}\n"
    "p{margin:.75rem 0 0}\n"
    "dl{display:flex;flex-wrap:wrap;gap:.5rem 2.25rem;"
    "margin:1.75rem 0 0}\n"
    "dt{font-size:.875rem;color:var(--dim)}\n"
    "dd{margin:0;font-size:1.375rem;"
    "font-variant-numeric:tabular-nums}\n"
    "dd.me{color:var(--mark)}\n"
    "ul{list-style:none;margin:.75rem 0 0;padding:0}\n"
    "li{padding:.75rem 0;border-top:1px solid var(--line)}\n"
    "code{display:block;font:.9375rem/1.6 ui-monospace,monospace;"
    "background:var(--box);border-radius:.35rem;padding:.45rem .75rem;"
    "margin:.4rem 0 0;overflow-wrap:anywhere}\n"
    "</style>\n"
    "</head>\n"
    "<body>\n"
    "<main>\n"
    "%s"
    "<h1>tine is running <small>%s</small></h1>\n"
    "<p>It has nothing to serve yet, so it answers with this page.</p>\n"
    "<dl>\n"
    "<div><dt>Answered by process</dt><dd class=\"me\">%ld</dd></div>\n"
    "<div><dt>Place</dt><dd>%d</dd></div>\n"
    "<div><dt>Generation</dt><dd>%u</dd></div>\n"
    "<div><dt>Serving here</dt><dd>%d %s</dd></div>\n"
    "</dl>\n"
    "<h2>What next</h2>\n"
    "<ul>\n"
    "<li>Serve the folder you are in"
    "<code>tine http root=.</code></li>\n"
    "<li>Echo every byte on another port"
    "<code>tine -l tcp://:7890 echo</code></li>\n"
    "<li>See what the server and its children do"
    "<code>tinectl status</code></li>\n"
    "</ul>\n"
    "</main>\n"
    "</body>\n"
    "</html>\n";

/* One tine for each child; none when there are too many to draw. */
static void
draw_tines(char *out, int count, int mine)
{
	int i;

	*out = '\0';
	if (count > TINES_MAX)
		return;
	out = stpcpy(out, "<div class=\"fork\" aria-hidden=\"true\">");
	for (i = 0; i < count; i++)
		out =
		    stpcpy(out, i == mine ? "<i class=\"me\"></i>" : "<i></i>");
	(void)stpcpy(out, "</div>\n");
}

int
http_welcome_make(struct http *h)
{
	char tines[TINES_MAX * sizeof("<i></i>") + 128], *body = NULL;
	int count = tine_count(h->child), place = tine_place(h->child);
	int len, rc;

	draw_tines(tines, count, place);
	len = asprintf(&body, page, tine_version(), tines, tine_version(),
	    (long)getpid(), place, tine_generation(h->child), count,
	    count == 1 ? "child" : "children");
	if (len == -1)
		return -1;
	rc = http_canned_make(h, "text/html; charset=utf-8", body, (size_t)len);
	if (rc == 0)
		h->welcome_count = count;
	free(body);
	return rc;
}

int
http_welcome_answer(struct http_exchange *x)
{
	struct http *h = x->http;

	if (x->req.path.len != 1 || *x->req.path.at != '/')
		return http_reply_page(x, 404, NULL);
	/* Short of memory it shows an old number, which harms nobody. */
	if (h->welcome_count != tine_count(h->child))
		(void)http_welcome_make(h);
	return http_canned_answer(x);
}
