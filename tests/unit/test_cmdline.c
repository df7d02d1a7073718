/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: what each option does, and what is said about bad ones. */
#include "master/cmdline.h"

#include <stdlib.h>
#include <unistd.h>

#include <tine.h>

#include "shared/own.h"
#include "tests/unit/expect.h"
#include "tests/unit/memory.h"

static struct err err;
static struct conf conf;
static enum cmdline_action action;
static bool has_folder;

char *__real_getcwd(char *, size_t);
char *__wrap_getcwd(char *, size_t);

char *
__wrap_getcwd(char *buf, size_t size)
{
	if (has_folder)
		return __real_getcwd(buf, size);
	errno = ENOENT;
	return NULL;
}

static int
open_conf(void **state)
{
	(void)state;
	memory_left = -1;
	has_folder = true;
	memset(&err, 0, sizeof(err));
	conf_init(&conf);
	return 0;
}

static int
close_conf(void **state)
{
	(void)state;
	memory_left = -1;
	conf_free(&conf);
	return 0;
}

/* Parse a line of words; one space between two. */
static int
parse(const char *line)
{
	char *copy = strdup(line), *words[32], *before[32], *rest = copy;
	int n = 0, rc;

	words[n++] = copy;
	(void)strsep(&rest, " ");
	while (rest != NULL && n < 31)
		words[n++] = strsep(&rest, " ");
	words[n] = NULL;
	memcpy(before, words, sizeof(before));
	conf_free(&conf);
	conf_init(&conf);
	rc = cmdline_parse(n, words, &conf, &action, &err);
	/* An upgrade uses argv again. */
	assert_memory_equal(before, words, (size_t)(n + 1) * sizeof(*words));
	free(copy);
	return rc;
}

static void
good(const char *line)
{
	if (parse(line) == -1)
		fail_msg("%s: %s", line, err.text);
}

static void
refused(const char *line, enum exit_code code, const char *text,
    const char *hint)
{
	expect_error(parse(line), &err, code, text, hint);
}

static const char *
url(size_t server, size_t listen)
{
	static char text[URL_TEXT_MAX];

	assert_true(server < conf.nservers);
	assert_true(listen < conf.servers[server].nlistens);
	return url_print(&conf.servers[server].listens[listen], text,
	    sizeof(text));
}

static void
tine_alone_is_http_on_the_loopback(void **state)
{
	char *folder = getcwd(NULL, 0);

	(void)state;
	good("tine");
	assert_int_equal(action, CMDLINE_RUN);
	assert_int_equal(conf.nservers, 1);
	assert_string_equal(conf.servers[0].handler, "http");
	assert_string_equal(url(0, 0), "tcp://127.0.0.1:8080");
	assert_int_equal(conf.processes, 0);
	assert_string_equal(conf.folder, folder);
	free(folder);
}

static void
every_option_sets_its_key(void **state)
{
	(void)state;
	good("tine -n 4 -a shared -C /run/c -L x.log --log-level debug "
	     "-l 80 -l unix://x echo");
	assert_int_equal(conf.processes, 4);
	assert_int_equal(conf.accept, CONF_ACCEPT_SHARED);
	assert_string_equal(conf.control, "/run/c");
	assert_string_equal(conf.log_file, "x.log");
	assert_int_equal(conf.log_level, LOG_DEBUG);
	assert_int_equal(conf.servers[0].nlistens, 2);
	assert_string_equal(url(0, 1), "unix://x");
	good("tine --processes=auto --accept=auto --control none --log syslog "
	     "--listen=:1 --listen :2");
	assert_int_equal(conf.processes, 0);
	assert_string_equal(conf.control, "none");
	assert_string_equal(conf.log_file, "syslog");
	assert_string_equal(url(0, 1), "tcp://:2");
}

static void
expect_setting(size_t i, const char *name, const char *key, const char *value)
{
	assert_true(i < conf.nsettings);
	assert_string_equal(conf.settings[i].name, name);
	assert_string_equal(conf.settings[i].key, key);
	assert_string_equal(conf.settings[i].value, value);
}

static void
keys_are_kept_in_order_to_win_over_files(void **state)
{
	(void)state;
	good("tine -n 4 -o log.level=a=b -p x.pid -u www-data:adm "
	     "-o servers.0.listen=");
	assert_int_equal(conf.nsettings, 6);
	expect_setting(0, "-n, --processes", "processes", "4");
	expect_setting(1, "-o log.level=a=b", "log.level", "a=b");
	expect_setting(2, "-p, --pid-file", "pid-file", "x.pid");
	expect_setting(3, "-u, --user", "user", "www-data");
	expect_setting(4, "-u, --user", "group", "adm");
	expect_setting(5, "-o servers.0.listen=", "servers.0.listen", "");
	assert_string_equal(conf.pid_file, "x.pid");
	assert_string_equal(conf.user, "www-data");
	assert_string_equal(conf.group, "adm");
	assert_int_equal(conf.log_level, LOG_INFO);
	assert_false(conf.is_daemon);
	good("tine -d");
	assert_true(conf.is_daemon);
	refused("tine -o processes", EXIT_BAD_USAGE,
	    "-o, --option: \"processes\" is not KEY=VALUE", "-o processes=4");
	refused("tine -o =4", EXIT_BAD_USAGE,
	    "-o, --option: \"=4\" is not KEY=VALUE", "-o processes=4");
	refused("tine -u :adm", EXIT_BAD_CONFIG,
	    "-u, --user: the value is empty", "account that children run as");
	refused("tine -u www-data:", EXIT_BAD_CONFIG,
	    "-u, --user: the value is empty", "group that children run as");
}

static void
with_files_a_server_comes_to_be_only_when_one_is_named(void **state)
{
	(void)state;
	good("tine -c a.yaml --config conf.d");
	assert_int_equal(conf.nservers, 0);
	assert_int_equal(conf.nfiles, 2);
	assert_string_equal(conf.files[0], "a.yaml");
	assert_string_equal(conf.files[1], "conf.d");
	good("tine -c a.yaml echo");
	assert_int_equal(conf.nservers, 1);
	assert_string_equal(url(0, 0), "tcp://127.0.0.1:8080");
	good("tine -l 80 -c a.yaml");
	assert_string_equal(conf.servers[0].handler, "http");
	refused("tine --config=", EXIT_BAD_CONFIG,
	    "-c, --config: the value is empty",
	    "a file, or a folder with *.yaml in it");
}

static void
options_stand_before_or_behind_the_handler(void **state)
{
	(void)state;
	good("tine http root=. -l 8080 text= -n2 a.b-c=d=e");
	assert_string_equal(conf.servers[0].handler, "http");
	assert_int_equal(conf.processes, 2);
	assert_string_equal(url(0, 0), "tcp://:8080");
	assert_int_equal(conf.servers[0].noptions, 3);
	assert_string_equal(conf.servers[0].options[0].key, "root");
	assert_string_equal(conf.servers[0].options[0].value, ".");
	assert_string_equal(conf.servers[0].options[1].value, "");
	assert_string_equal(conf.servers[0].options[2].key, "a.b-c");
	assert_string_equal(conf.servers[0].options[2].value, "d=e");
}

static void
a_handler_may_be_a_path_even_with_an_equals_sign(void **state)
{
	(void)state;
	good("tine ./build/a=b.so x=y");
	assert_string_equal(conf.servers[0].handler, "./build/a=b.so");
}

static void
two_dashes_end_the_options(void **state)
{
	(void)state;
	good("tine -n 2 -- -x a=b");
	assert_string_equal(conf.servers[0].handler, "-x");
	assert_string_equal(conf.servers[0].options[0].key, "a");
	good("tine echo -- -n=1");
	assert_string_equal(conf.servers[0].options[0].key, "-n");
}

static void
a_url_with_a_handler_is_a_server_of_its_own(void **state)
{
	(void)state;
	good("tine -l 80?handler=echo -l 81 -l 82?handler=upper http root=.");
	assert_int_equal(conf.nservers, 3);
	assert_string_equal(conf.servers[0].handler, "http");
	assert_string_equal(url(0, 0), "tcp://:81");
	assert_int_equal(conf.servers[0].noptions, 1);
	assert_string_equal(conf.servers[1].handler, "echo");
	assert_string_equal(url(1, 0), "tcp://:80?handler=echo");
	assert_int_equal(conf.servers[1].noptions, 0);
	assert_string_equal(conf.servers[2].handler, "upper");
	good("tine -l 80?handler=echo");
	assert_int_equal(conf.nservers, 1);
	assert_string_equal(conf.servers[0].handler, "echo");
}

static void
a_handler_without_a_url_is_refused(void **state)
{
	(void)state;
	refused("tine -l 80?handler=echo upper", EXIT_BAD_CONFIG,
	    "handler upper has no listen URL",
	    "every -l names its own by handler=; add one without");
}

static void
each_action_has_its_option(void **state)
{
	static const struct {
		const char *line;
		enum cmdline_action action;
	} rows[] = {
		{ "tine -t", CMDLINE_TEST },
		{ "tine --test echo", CMDLINE_TEST },
		{ "tine -T", CMDLINE_DUMP },
		{ "tine --dump echo", CMDLINE_DUMP },
		{ "tine -H", CMDLINE_LIST },
		{ "tine --handlers", CMDLINE_LIST },
		{ "tine -X", CMDLINE_SINGLE },
		{ "tine -Xn2 echo", CMDLINE_SINGLE },
		{ "tine --single", CMDLINE_SINGLE },
		{ "tine -v", CMDLINE_VERSION },
		{ "tine --version", CMDLINE_VERSION },
		{ "tine -V", CMDLINE_BUILD },
		{ "tine -h", CMDLINE_HELP },
		{ "tine --help", CMDLINE_HELP },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		good(rows[i].line);
		assert_int_equal(action, rows[i].action);
	}
}

static void
help_and_version_are_answered_whatever_follows(void **state)
{
	(void)state;
	good("tine -t -h --nonsense");
	assert_int_equal(action, CMDLINE_HELP);
	good("tine echo --version -- x");
	assert_int_equal(action, CMDLINE_VERSION);
	assert_int_equal(conf.nservers, 0);
}

static void
two_actions_exclude_each_other(void **state)
{
	(void)state;
	refused("tine -t -X", EXIT_BAD_USAGE,
	    "-t, --test and -X, --single exclude each other",
	    "give one of them");
}

static void
an_unknown_option_is_refused_with_the_nearest(void **state)
{
	static const struct {
		const char *line, *word, *hint;
	} rows[] = {
		{ "tine --listne 80", "--listne",
		    "did you mean \"--listen\"?" },
		{ "tine --procesess=80", "--procesess",
		    "did you mean \"--processes\"?" },
		{ "tine --proc 80", "--proc", "did you mean \"--processes\"?" },
		{ "tine --lo x", "--lo", "did you mean \"--log\"?" },
		{ "tine --h", "--h", "did you mean \"--handlers\"?" },
		{ "tine --tes=1", "--tes", "did you mean \"--test\"?" },
		{ "tine --nonsense", "--nonsense",
		    "tine --help lists the options" },
		{ "tine -Z", "-Z", "tine --help lists the options" },
		{ "tine -tZ", "-Z", "tine --help lists the options" },
		{ "tine -\xc3\xa9", "-\xc3\xa9",
		    "tine --help lists the options" },
	};
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(text, sizeof(text), "unknown option \"%s\"",
		    rows[i].word);
		refused(rows[i].line, EXIT_BAD_USAGE, text, rows[i].hint);
	}
}

static void
an_option_given_twice_is_refused_unless_it_is_repeatable(void **state)
{
	(void)state;
	refused("tine -n 1 -n 1", EXIT_BAD_USAGE,
	    "-n, --processes is given twice", "give it once");
	refused("tine --log-level info --log-level=info", EXIT_BAD_USAGE,
	    "--log-level is given twice", "give it once");
	refused("tine -tt", EXIT_BAD_USAGE, "-t, --test is given twice",
	    "give it once");
	good("tine -l 1 -l 2 -l 3");
	assert_int_equal(conf.servers[0].nlistens, 3);
}

static void
a_value_that_is_missing_or_too_much_is_named(void **state)
{
	(void)state;
	refused("tine -n", EXIT_BAD_USAGE, "-n, --processes needs a value",
	    "-n N");
	refused("tine -Xl", EXIT_BAD_USAGE, "-l, --listen needs a value",
	    "-Xl URL");
	refused("tine --log-level", EXIT_BAD_USAGE, "--log-level needs a value",
	    "--log-level LEVEL");
	refused("tine --test=yes", EXIT_BAD_USAGE, "-t, --test takes no value",
	    "--test alone");
}

static void
a_bad_value_names_its_option(void **state)
{
	(void)state;
	refused("tine -n 0", EXIT_BAD_CONFIG,
	    "-n, --processes: 0 is out of range",
	    "auto, a whole number from 1 to 1024, or two as MIN:MAX");
	refused("tine -n x", EXIT_BAD_CONFIG,
	    "-n, --processes: \"x\" is not a whole number",
	    "auto, a whole number from 1 to 1024, or two as MIN:MAX");
	refused("tine -n 4:2", EXIT_BAD_CONFIG,
	    "-n, --processes: 4:2 is not MIN:MAX", "did you mean \"2:4\"?");
	refused("tine -A 81x", EXIT_BAD_CONFIG,
	    "-A, --admin: listen URL 81x: the port is missing", "81x:8080");
	refused("tine -a reusport", EXIT_BAD_CONFIG,
	    "-a, --accept: \"reusport\" is not one of auto, reuseport, shared "
	    "or dispatch",
	    "did you mean \"reuseport\"?");
	refused("tine --log-level loud", EXIT_BAD_CONFIG,
	    "--log-level: \"loud\" is not one of error, warn, info or debug",
	    "");
	refused("tine --control=", EXIT_BAD_CONFIG,
	    "-C, --control: the value is empty",
	    "path of the control socket, or none");
}

static void
a_bad_url_is_refused_wherever_it_stands(void **state)
{
	(void)state;
	refused("tine echo -l 1 -l :65536", EXIT_BAD_CONFIG,
	    "listen URL :65536: port 65536 is out of range",
	    "a number from 0 to 65535; 0 lets the kernel choose");
	refused("tine -l tcp://:1?tls=on echo", EXIT_BAD_USAGE,
	    "listen URL tcp://:1?tls=on: parameter \"tls\" is not built yet",
	    "leave it out");
	refused("tine -l 80 -l :80 echo", EXIT_BAD_CONFIG,
	    "listen URL :80 is given twice",
	    "one server listens on an address");
	refused("tine -l 80 -l :80?handler=upper echo", EXIT_BAD_CONFIG,
	    "listen URL :80?handler=upper is given twice",
	    "one server listens on an address");
}

/* In a program that was made with a handler of its own. */
static void
a_programs_own_handler_is_the_default_and_takes_the_options(void **state)
{
	const struct tine_handler game = {
		.size = sizeof(game),
		.abi = TINE_ABI,
		.name = "game",
	};

	(void)state;
	own_set(&game, "./server");
	good("./server -l 8080");
	assert_string_equal(conf.servers[0].handler, "game");
	good("./server level=3 folder=/srv/game -l 8080");
	assert_string_equal(conf.servers[0].handler, "game");
	assert_int_equal(conf.servers[0].noptions, 2);
	assert_string_equal(conf.servers[0].options[1].key, "folder");
	assert_string_equal(conf.servers[0].options[1].value, "/srv/game");
	good("./server game level=3");
	assert_string_equal(conf.servers[0].handler, "game");
	assert_int_equal(conf.servers[0].noptions, 1);
	good("./server ./a=b.so level=3");
	assert_string_equal(conf.servers[0].handler, "./a=b.so");
	good("./server echo");
	assert_string_equal(conf.servers[0].handler, "echo");
	refused("./server level=3 more", EXIT_BAD_USAGE,
	    "\"more\" is not KEY=VALUE",
	    "options of handler game follow it as KEY=VALUE; server -H lists "
	    "them");
	refused("./server -q", EXIT_BAD_USAGE, "unknown option \"-q\"",
	    "server --help lists the options");
	own_set(NULL, "tine");
}

static void
words_in_the_wrong_place_are_refused(void **state)
{
	(void)state;
	refused("tine root=.", EXIT_BAD_USAGE,
	    "\"root=.\" stands where the handler's name belongs",
	    "tine http root=.");
	refused("tine root=/srv", EXIT_BAD_USAGE,
	    "\"root=/srv\" stands where the handler's name belongs",
	    "tine http root=/srv");
	refused("tine ", EXIT_BAD_USAGE,
	    "\"\" stands where the handler's name belongs", "tine http ");
	refused("tine http echo", EXIT_BAD_USAGE, "\"echo\" is not KEY=VALUE",
	    "options of handler http follow it as KEY=VALUE; tine -H lists "
	    "them");
	refused("tine http =x", EXIT_BAD_USAGE, "\"=x\" is not KEY=VALUE",
	    "options of handler http follow it as KEY=VALUE; tine -H lists "
	    "them");
}

static void
an_option_of_a_handler_is_given_once_and_has_a_plain_name(void **state)
{
	(void)state;
	refused("tine http root=. text=x root=.", EXIT_BAD_CONFIG,
	    "option \"root\" of handler http is given twice", "give it once");
	refused("tine http a/b=1", EXIT_BAD_CONFIG,
	    "\"a/b\" is not the name of an option",
	    "letters, digits, - _ and .");
	refused("tine http "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaa=1",
	    EXIT_BAD_CONFIG, "an option's name of 65 letters is too long",
	    "at most 64 letters");
	good("tine http root=. roo=. roots=.");
	assert_int_equal(conf.servers[0].noptions, 3);
}

static void
a_handler_longer_than_any_path_is_refused(void **state)
{
	char line[5100] = "tine ";

	(void)state;
	memset(line + 5, 'x', 5000);
	refused(line, EXIT_BAD_CONFIG,
	    "servers.0.handler: a value of 5000 bytes is too long",
	    "at most 4095 bytes");
}

static void
without_memory_or_folder_nothing_is_parsed_and_nothing_leaks(void **state)
{
	char prog[] = "tine", option[] = "-l80?handler=echo", two[] = "-l81",
	     handler[] = "upper", key[] = "a=b", file[] = "-cx.yaml",
	     setting[] = "-oprocesses=1";
	char *argv[] = { prog, option, two, handler, key, file, setting, NULL };
	int n, rc = -1;

	(void)state;
	for (n = 0; rc == -1; n++) {
		conf_free(&conf);
		conf_init(&conf);
		memory_left = n;
		rc = cmdline_parse(7, argv, &conf, &action, &err);
		memory_left = -1;
		if (rc == -1)
			assert_int_equal(err.code, EXIT_SYSTEM);
	}
	assert_true(n > 5);
	has_folder = false;
	refused("tine", EXIT_SYSTEM,
	    "name of the current folder: No such file or directory",
	    "start tine in a folder that exists");
}

static char *
answer(void (*print)(FILE *))
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void
help_names_every_option_in_80_columns(void **state)
{
	static const char *const names[] = { "-l, --listen URL",
		"-n, --processes N", "-a, --accept MODE", "-b, --balance HOW",
		"-c, --config FILE", "-o, --option K=V", "-d, --daemon",
		"-p, --pid-file FILE", "-u, --user USER[:GROUP]",
		"-C, --control PATH", "-A, --admin URL", "-L, --log FILE",
		"    --log-level LEVEL", "-t, --test", "-T, --dump",
		"-H, --handlers", "-X, --single", "-v, --version", "-V  ",
		"-h, --help" };
	char *text = answer(cmdline_help), *line, *rest = text;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(names); i++)
		if (strstr(text, names[i]) == NULL)
			fail_msg("no %s", names[i]);
	while ((line = strsep(&rest, "\n")) != NULL)
		assert_in_range(strlen(line), 0, 80);
	free(text);
}

static void
version_and_build_say_what_this_is(void **state)
{
	static const char *const words[] = { "tine " TINE_VERSION "\n",
		"compiler: ", "flags: ", "libev 4.", "libbsd ", "jansson 2.",
		"glibc 2." };
	char *text = answer(cmdline_version);
	size_t i;

	(void)state;
	assert_string_equal(text, "tine " TINE_VERSION "\n");
	free(text);
	text = answer(cmdline_build);
	for (i = 0; i < nitems(words); i++)
		assert_non_null(strstr(text, words[i]));
	free(text);
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, open_conf, close_conf)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(tine_alone_is_http_on_the_loopback),
		with_conf(every_option_sets_its_key),
		with_conf(keys_are_kept_in_order_to_win_over_files),
		with_conf(
		    with_files_a_server_comes_to_be_only_when_one_is_named),
		with_conf(options_stand_before_or_behind_the_handler),
		with_conf(a_handler_may_be_a_path_even_with_an_equals_sign),
		with_conf(two_dashes_end_the_options),
		with_conf(a_url_with_a_handler_is_a_server_of_its_own),
		with_conf(a_handler_without_a_url_is_refused),
		with_conf(each_action_has_its_option),
		with_conf(help_and_version_are_answered_whatever_follows),
		with_conf(two_actions_exclude_each_other),
		with_conf(an_unknown_option_is_refused_with_the_nearest),
		with_conf(
		    an_option_given_twice_is_refused_unless_it_is_repeatable),
		with_conf(a_value_that_is_missing_or_too_much_is_named),
		with_conf(a_bad_value_names_its_option),
		with_conf(a_bad_url_is_refused_wherever_it_stands),
		with_conf(
		    a_programs_own_handler_is_the_default_and_takes_the_options),
		with_conf(words_in_the_wrong_place_are_refused),
		with_conf(
		    an_option_of_a_handler_is_given_once_and_has_a_plain_name),
		with_conf(a_handler_longer_than_any_path_is_refused),
		with_conf(
		    without_memory_or_folder_nothing_is_parsed_and_nothing_leaks),
		with_conf(help_names_every_option_in_80_columns),
		with_conf(version_and_build_say_what_this_is),
	};

	return cmocka_run_group_tests_name("cmdline", tests, NULL, NULL);
}
