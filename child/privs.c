/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * privs.c: the way down. Runs in every process that is going to run handler
 * code, before it does. Each step is checked, and what was given up is tried
 * back: a child that can regain anything must not serve.
 */
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "child/child.h"

/* The leak checker attaches to its own process, which a process that is not
 * dumpable refuses. */
#ifdef __SANITIZE_ADDRESS__
#define PRIVS_DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PRIVS_DUMPABLE 1
#endif
#endif
#ifndef PRIVS_DUMPABLE
#define PRIVS_DUMPABLE 0
#endif

#define CAPS_ALL 64 /* more than any kernel has; EINVAL ends the loop */

/* Needs a capability itself, so it comes first; without one there is nothing
 * that could be gained through it. */
static int
drop_bounding_set(struct err *err)
{
	unsigned long cap;

	if (geteuid() != 0)
		return 0;
	for (cap = 0; cap < CAPS_ALL; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0L, 0L, 0L) == -1) {
			if (errno == EINVAL)
				return 0;
			/* A container may have given us less than root. */
			if (errno != EPERM)
				return err_sys(err, "drop capability %lu", cap);
		}
	return 0;
}

static int
change_ids(uid_t uid, gid_t gid, struct err *err)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (setgroups(0, NULL) == -1)
		return err_sys(err, "setgroups to none");
	if (setresgid(gid, gid, gid) == -1)
		return err_sys(err, "setresgid to %ld", (long)gid);
	if (setresuid(uid, uid, uid) == -1)
		return err_sys(err, "setresuid to %ld", (long)uid);
	if (getresuid(&ruid, &euid, &suid) == -1 ||
	    getresgid(&rgid, &egid, &sgid) == -1)
		return err_sys(err, "read the ids back");
	if (ruid != uid || euid != uid || suid != uid || rgid != gid ||
	    egid != gid || sgid != gid || getgroups(0, NULL) != 0)
		return err_set(err, EXIT_SYSTEM,
		    "the change to user %ld, group %ld did not take place",
		    (long)uid, (long)gid);
	return 0;
}

static int
clear_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct left[2];
	const struct __user_cap_data_struct none[2] = { { 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) == -1)
		return err_sys(err, "clear ambient capabilities");
	if (syscall(SYS_capset, &head, none) == -1)
		return err_sys(err, "clear capabilities");
	if (syscall(SYS_capget, &head, left) == -1)
		return err_sys(err, "read the capabilities back");
	if (memcmp(left, none, sizeof(left)) != 0)
		return err_set(err, EXIT_SYSTEM,
		    "capabilities are left after they were given up");
	return 0;
}

/* A user or a group that is root's because the operator said so has nothing to
 * be tried back. */
static int
try_back(const struct conf *conf, struct err *err)
{
	if ((conf->uid != 0 && setresuid(0, 0, 0) == 0) ||
	    (conf->gid != 0 && setresgid(0, 0, 0) == 0) ||
	    setgroups(1, &conf->gid) == 0)
		return err_set(err, EXIT_SYSTEM,
		    "root could be regained after it was given up");
	return 0;
}

/* No program that this process executes can give it more than it has. */
static int
forbid_new(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		return err_sys(err, "no_new_privs");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1)
		return err_set(err, EXIT_SYSTEM,
		    "no_new_privs did not take place");
	return 0;
}

int
privs_drop(const struct conf *conf, struct err *err)
{
	bool changes = conf->uid != CONF_NO_ID;

	if (changes &&
	    (drop_bounding_set(err) == -1 ||
		change_ids(conf->uid, conf->gid, err) == -1))
		return -1;
	if (clear_capabilities(err) == -1)
		return -1;
	if (changes && try_back(conf, err) == -1)
		return -1;
	return forbid_new(err);
}

void
privs_hide_memory(const struct conf *conf)
{
	const struct rlimit none = { 0, 0 };
	unsigned long dumpable = conf->core_dumps || PRIVS_DUMPABLE;

	if (!conf->core_dumps && setrlimit(RLIMIT_CORE, &none) == -1)
		log_sys(LOG_WARN, "no core dumps");
	if (prctl(PR_SET_DUMPABLE, dumpable, 0L, 0L, 0L) == -1)
		log_sys(LOG_WARN, "who may read this process's memory");
}

/* A process that has no controlling terminal cannot type into it. */
static void
forget_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd == -1)
		return; /* there is none */
	if (ioctl(fd, TIOCNOTTY) == -1)
		log_sys(LOG_WARN, "leave the terminal");
	closefd(&fd);
}

/* The terminal of the one who started us is none of a child's business. */
int
privs_leave_terminal(struct err *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	forget_terminal();
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1) {
		err_sys(err, "open /dev/null");
		closefd(&fd);
		return -1;
	}
	if (fd > STDERR_FILENO)
		closefd(&fd);
	return 0;
}

/* The caller of a tine in the background does not wait for its children. */
void
privs_leave_stderr(void)
{
	if (dup2(STDIN_FILENO, STDERR_FILENO) == -1)
		log_sys(LOG_WARN, "leave the stderr of the start");
}

/*
 * After setuid, which clears the death signal. A master that died before this
 * line sends none, so look.
 */
int
privs_watch_parent(pid_t parent, int sig, struct err *err)
{
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)sig, 0L, 0L, 0L) == -1)
		return err_sys(err, "signal at the death of the master");
	if (getppid() != parent)
		return err_set(err, EXIT_RUNTIME, "the master is gone");
	return 0;
}
